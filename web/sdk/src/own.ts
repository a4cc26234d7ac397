// The own account over HTTPS: passkeys, recovery codes, sessions, and the proof that one is there that their changes ask for.

import { refused, request } from "./request";
import { CallFailed } from "./failure";
import type { AccountView } from "./generated/AccountView";
import type { AgainView } from "./generated/AgainView";
import type { Ceremony } from "./generated/Ceremony";
import type { Me } from "./generated/Me";
import type { OwnSession } from "./generated/OwnSession";
import type { OwnSessions } from "./generated/OwnSessions";
import type { PasskeyList } from "./generated/PasskeyList";
import type { PasskeyView } from "./generated/PasskeyView";
import type { RecoveryCodes } from "./generated/RecoveryCodes";
import type { SecondFactorAsked } from "./generated/SecondFactorAsked";
import type { SessionView } from "./generated/SessionView";
import { makePasskey, usePasskey } from "./passkeys";

/** What the server gave for proving that one is there, good for some minutes. */
let again: string | undefined;

/** Whether the server wants a proof first: ask for one with `proveAgain…`, then do it once more. */
export function wantsProof(failure: unknown): boolean {
  return refused(failure, "confirm_first");
}

/** Signs in with whatever passkey there is; null when it was called off, here as below also by `here`, when the page that asks is left. */
export async function signInByPasskey(here?: AbortSignal): Promise<Me | null> {
  const { ceremony, options } = await request<Ceremony>("POST", "/api/session/passkey/start", {});
  const credential = await usePasskey(options, here);
  if (credential === null) return null;
  return (await request<SessionView>("POST", "/api/session/passkey", { ceremony, credential })).me;
}

/** Ends a sign-in with a passkey; null when it was called off, and then the password is asked for again. */
export async function factorByPasskey(asked: SecondFactorAsked, here?: AbortSignal): Promise<Me | null> {
  if (asked.options === null) throw new CallFailed("internal", "No passkey can be used on this page.");
  const credential = await usePasskey(asked.options, here);
  if (credential === null) return null;
  return (await request<SessionView>("POST", "/api/session/factor", { ceremony: asked.ceremony, credential })).me;
}

/** The same with a recovery code. */
export async function factorByCode(asked: SecondFactorAsked, code: string): Promise<Me> {
  return (await request<SessionView>("POST", "/api/session/factor", { ceremony: asked.ceremony, code })).me;
}

export async function proveAgainByPassword(password: string): Promise<void> {
  ({ again } = await request<AgainView>("POST", "/api/again", { password }));
}

/** False when it was called off. */
export async function proveAgainByPasskey(here?: AbortSignal): Promise<boolean> {
  const { ceremony, options } = await request<Ceremony>("POST", "/api/again/passkey");
  const credential = await usePasskey(options, here);
  if (credential === null) return false;
  ({ again } = await request<AgainView>("POST", "/api/again", { ceremony, credential }));
  return true;
}

/** Shows a passkey in the session that goes on; null when it was called off. */
export async function stepUp(here?: AbortSignal): Promise<Me | null> {
  const { ceremony, options } = await request<Ceremony>("POST", "/api/session/step-up/start");
  const credential = await usePasskey(options, here);
  if (credential === null) return null;
  return request("POST", "/api/session/step-up", { ceremony, credential });
}

export function passkeys(): Promise<PasskeyList> {
  return request("GET", "/api/passkeys");
}

/** Null when it was called off. */
export async function addPasskey(name: string, here?: AbortSignal): Promise<PasskeyView | null> {
  const { ceremony, options } = await present<Ceremony>("POST", "/api/passkeys/start");
  const credential = await makePasskey(options, here);
  if (credential === null) return null;
  return present("POST", "/api/passkeys", { ceremony, credential, name });
}

export function renamePasskey(passkey: string, name: string): Promise<void> {
  return request("PATCH", `/api/passkeys/${encodeURIComponent(passkey)}`, { name });
}

export function removePasskey(passkey: string): Promise<void> {
  return present("DELETE", `/api/passkeys/${encodeURIComponent(passkey)}`);
}

/** They are not shown again, and earlier ones are over. */
export async function makeRecoveryCodes(): Promise<string[]> {
  return (await present<RecoveryCodes>("POST", "/api/recovery-codes")).codes;
}

/** How the own account is reached. */
export function address(): Promise<AccountView> {
  return request("GET", "/api/account");
}

/** Sends a link that proves the address. */
export function sendVerify(): Promise<void> {
  return request("POST", "/api/account/verify");
}

/** Sends a link to another address, which the account has once the link is opened. */
export function changeEmail(email: string): Promise<void> {
  return present("POST", "/api/account/email", { email });
}

/** Every other session is over. */
export async function changePassword(password: string): Promise<Me> {
  return (await present<SessionView>("POST", "/api/account/password", { password })).me;
}

/** Where one is signed in, the session used last first. */
export async function sessions(): Promise<OwnSession[]> {
  return (await request<OwnSessions>("GET", "/api/sessions")).sessions;
}

/** Signs one of them out, and whatever is open by it. */
export function endSession(session: string): Promise<void> {
  return request("DELETE", `/api/sessions/${encodeURIComponent(session)}`);
}

/** Ends every other session. */
export async function endOthers(): Promise<Me> {
  return (await request<SessionView>("POST", "/api/account/end-others")).me;
}

/** Sends a link to a new password, if there is such an account and its address was proved; nobody is told. */
export function askReset(email: string): Promise<void> {
  return request("POST", "/api/reset", { email });
}

/** Every session of the account is over. */
export function finishReset(token: string, password: string): Promise<void> {
  return request("POST", "/api/reset/finish", { token, password });
}

export function finishVerify(token: string): Promise<void> {
  return request("POST", "/api/verify", { token });
}

/** A request that wants whoever makes it to be there. */
export function present<Answer>(method: string, path: string, body?: object, headers: Record<string, string> = {}): Promise<Answer> {
  return request(method, path, body, again === undefined ? headers : { ...headers, "Conclave-Again": again });
}
