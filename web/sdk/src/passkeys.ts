// What the browser does with an authenticator, in the standard's JSON forms (WebAuthn, sections 5.1.8 to 5.1.10). Written out, because
// not every browser that has passkeys reads and writes those forms by itself.

import { CallFailed } from "./failure";

type Options = Record<string, unknown>;

/** Whether passkeys of this domain can be used on this page. */
export function canUsePasskeys(domain: string | null): domain is string {
  const { hostname } = location;
  return domain !== null && typeof PublicKeyCredential === "function" && (hostname === domain || hostname.endsWith(`.${domain}`));
}

/** Makes a passkey; null when the person, the browser for them, or the page by `here` called it off. */
export async function makePasskey(options: Options, here?: AbortSignal): Promise<object | null> {
  const user = options["user"] as Options;
  const publicKey = {
    ...options,
    challenge: bytes(options["challenge"]),
    user: { ...user, id: bytes(user["id"]) },
    excludeCredentials: named(options["excludeCredentials"]),
  } as unknown as PublicKeyCredentialCreationOptions;
  const made = await chosen(() => navigator.credentials.create({ publicKey, ...until(here) }), here);
  if (made === null) return null;
  const { attestationObject, clientDataJSON } = made.response as AuthenticatorAttestationResponse;
  return { ...said(made), response: { attestationObject: text(attestationObject), clientDataJSON: text(clientDataJSON) } };
}

/** Uses a passkey; null when it was called off. */
export async function usePasskey(options: Options, here?: AbortSignal): Promise<object | null> {
  const publicKey = {
    ...options,
    challenge: bytes(options["challenge"]),
    allowCredentials: named(options["allowCredentials"]),
  } as unknown as PublicKeyCredentialRequestOptions;
  const used = await chosen(() => navigator.credentials.get({ publicKey, ...until(here) }), here);
  if (used === null) return null;
  const { authenticatorData, clientDataJSON, signature, userHandle } = used.response as AuthenticatorAssertionResponse;
  const response = {
    authenticatorData: text(authenticatorData),
    clientDataJSON: text(clientDataJSON),
    signature: text(signature),
    userHandle: userHandle === null ? null : text(userHandle),
  };
  return { ...said(used), response };
}

async function chosen(ask: () => Promise<Credential | null>, here: AbortSignal | undefined): Promise<PublicKeyCredential | null> {
  const left = () => here?.aborted === true;
  // The page may have been left while the server was asked.
  if (left()) return null;
  try {
    const credential = (await ask()) as PublicKeyCredential | null;
    return left() ? null : credential;
  } catch (failure) {
    if (left()) return null;
    // Browsers do not tell "no" from "too late" from "none here", so that pages cannot find out who has what.
    if (!(failure instanceof DOMException)) throw failure;
    if (failure.name === "NotAllowedError" || failure.name === "AbortError") return null;
    if (failure.name === "InvalidStateError") throw new CallFailed("internal", "This device has a passkey for this account already.");
    throw new CallFailed("internal", "This browser cannot use passkeys on this page.");
  }
}

function until(here: AbortSignal | undefined): { signal?: AbortSignal } {
  return here === undefined ? {} : { signal: here };
}

function said(credential: PublicKeyCredential): object {
  return { id: credential.id, rawId: text(credential.rawId), type: credential.type, extensions: {} };
}

function named(list: unknown): object[] {
  return Array.isArray(list) ? (list as Options[]).map((one) => ({ ...one, id: bytes(one["id"]) })) : [];
}

function bytes(value: unknown): Uint8Array<ArrayBuffer> {
  const letters = atob(String(value).replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(letters, (letter) => letter.charCodeAt(0));
}

function text(buffer: ArrayBuffer): string {
  const letters = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join("");
  return btoa(letters).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
