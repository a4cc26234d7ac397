// Who is signed in here. `undefined` until the server has said.

import { api, CallFailed, type Me, type SecondFactorAsked } from "@conclave/sdk";
import { signal } from "@preact/signals";
import { textOf } from "./ui/failure";

export const account = signal<Me | null | undefined>(undefined);
/** Set when the server could not even be asked. */
export const accountTrouble = signal<string | null>(null);
/** Set when signing out did not go well. */
export const signOutTrouble = signal<string | null>(null);

/** How often it was asked for, and how often it changed without that. */
let loads = 0;
let changes = 0;
let loading = false;
account.subscribe(() => {
  if (!loading) changes += 1;
});

/** The last answer counts; and whoever signed in or out meanwhile knows better. */
export async function loadAccount(): Promise<void> {
  const load = (loads += 1);
  const told = changes;
  accountTrouble.value = null;
  try {
    const found = await api.me();
    if (load !== loads || told !== changes) return;
    loading = true;
    account.value = found;
    loading = false;
  } catch (failure) {
    if (load === loads && told === changes) accountTrouble.value = failure instanceof CallFailed ? failure.message : "Something went wrong on this page.";
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
  try {
    await api.signOut();
  } catch (failure) {
    // What is over already needs no end.
    const over = failure instanceof CallFailed && (failure.code === "signed_out" || failure.code === "session_reused");
    if (!over) throw failure;
  }
  account.value = null;
}

/** The same for a button: what went wrong stands at the head of the page. */
export async function trySignOut(): Promise<void> {
  signOutTrouble.value = null;
  try {
    await signOut();
  } catch (failure) {
    signOutTrouble.value = textOf(failure);
  }
}

/** The account or the guest session, if it is good for this room. */
export function identityFor(room: string, me: Me | null | undefined): Me | null {
  if (me === null || me === undefined) return null;
  return me.kind === "guest" && me.room !== room ? null : me;
}
