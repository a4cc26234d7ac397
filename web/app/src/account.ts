// Who is signed in here. `undefined` until the server has said.

import { api, CallFailed, type Me, type SecondFactorAsked } from "@conclave/sdk";
import { signal } from "@preact/signals";

export const account = signal<Me | null | undefined>(undefined);
/** Set when the server could not even be asked. */
export const accountTrouble = signal<string | null>(null);

export async function loadAccount(): Promise<void> {
  accountTrouble.value = null;
  try {
    account.value = await api.me();
  } catch (failure) {
    accountTrouble.value = failure instanceof CallFailed ? failure.message : "Something went wrong on this page.";
  }
}

/** Gives what is asked for beside the password, if anything is. */
export async function signIn(email: string, password: string): Promise<SecondFactorAsked | null> {
  const answer = await api.signIn(email, password);
  if ("ceremony" in answer) return answer;
  account.value = answer;
  return null;
}

export async function signOut(): Promise<void> {
  await api.signOut();
  account.value = null;
}

/** The account or the guest session, if it is good for this room. */
export function identityFor(room: string, me: Me | null | undefined): Me | null {
  if (me === null || me === undefined) return null;
  return me.kind === "guest" && me.room !== room ? null : me;
}
