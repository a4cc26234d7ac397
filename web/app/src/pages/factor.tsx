// The second factor that an organisation asks for of whoever leads a room or administers it: shown in the session that goes on, and
// then what was wanted is done.

import { onFactorRequired, own } from "@conclave/sdk";
import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { account } from "../account";
import { route } from "../route";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { textOf } from "../ui/failure";

interface Asking {
  /** Whether the account has a passkey that could be shown. */
  has: boolean;
  trouble: string | null;
  /** Until it is called off. */
  here: AbortSignal;
  shown: () => void;
}

const asking = signal<Asking | null>(null);
/** However many requests want it, it is asked for once. */
let shared: { shown: Promise<boolean>; off: AbortController } | null = null;
/** How many pages were left. */
let left = 0;

onFactorRequired(factorHere);
route.subscribe(leaveFactor);

/** What asks for the passkey in a dialog, on the page of now and no other; false when that was called off. */
export function factorHere(): () => Promise<boolean> {
  const page = left;
  return () => (page === left ? asked((here) => ask(null, here)) : Promise.resolve(false));
}

/** Asks the browser for the passkey at once, and opens the dialog only if nothing comes of it. */
export function showFactor(): Promise<boolean> {
  return asked(async (here) => {
    let trouble: string | null = null;
    try {
      if ((await has()) && (await show(here))) return true;
    } catch (failure) {
      trouble = textOf(failure);
    }
    return ask(trouble, here);
  });
}

/** The page that asks is left: it asks no more, nor does the browser, and what comes late goes on with nothing. */
export function leaveFactor(): void {
  left += 1;
  callOff();
}

function callOff(): void {
  const one = shared;
  shared = null;
  asking.value = null;
  one?.off.abort();
}

function asked(begin: (here: AbortSignal) => Promise<boolean>): Promise<boolean> {
  if (shared !== null) return shared.shown;
  const off = new AbortController();
  const calledOff = new Promise<boolean>((settle) => off.signal.addEventListener("abort", () => settle(false)));
  const shown = Promise.race([begin(off.signal), calledOff]).finally(() => {
    // Another may be asked for by now.
    if (shared?.off === off) callOff();
  });
  shared = { shown, off };
  return shown;
}

async function ask(trouble: string | null, here: AbortSignal): Promise<boolean> {
  if (here.aborted) return false;
  const found = await has().catch(() => true);
  if (here.aborted) return false;
  return new Promise((settle) => (asking.value = { has: found, trouble, here, shown: () => settle(true) }));
}

async function has(): Promise<boolean> {
  return (await own.passkeys()).passkeys.some((passkey) => passkey.copied === null);
}

async function show(here: AbortSignal): Promise<boolean> {
  const me = await own.stepUp(here);
  if (me === null) return false;
  // The session has shown it, whoever still waits for that.
  account.value = me;
  return !here.aborted;
}

/** Stands once in the app, over whatever page asks. */
export function FactorDialog(): JSX.Element | null {
  const open = asking.value;
  return open === null ? null : <Opened asking={open} />;
}

function Opened(props: { asking: Asking }): JSX.Element {
  const { here, shown } = props.asking;
  const [trouble, setTrouble] = useState(props.asking.trouble);
  const [has, setHas] = useState(props.asking.has);
  const press = async () => {
    setTrouble(null);
    try {
      // One may have been added on the other page meanwhile.
      const { passkeys } = await own.passkeys();
      const usable = passkeys.some((passkey) => passkey.copied === null);
      setHas(usable);
      if (!usable) setTrouble("Your account has no passkey yet.");
      else if (await show(here)) shown();
      else setTrouble("No passkey was shown. Try it once more, or leave it for now.");
    } catch (failure) {
      setTrouble(textOf(failure));
    }
  };
  return (
    <Dialog title="Show your passkey" onClose={callOff}>
      <p>Whoever leads a room or looks after the organisation needs a second factor for this, and you have not shown one since you signed in.</p>
      {!has && (
        <p>
          Your account has no passkey yet. Add one on{" "}
          <a href="/account" target="_blank" rel="noopener">
            the page of your account
          </a>
          , which opens beside this one, and then come back.
        </p>
      )}
      {trouble !== null && (
        <p class="alert" role="alert">
          {trouble}
        </p>
      )}
      <div class="dialog-actions">
        <Button onPress={callOff}>Not now</Button>
        <Button kind="primary" autofocus onPress={press}>
          {has ? "Show your passkey" : "I have added one"}
        </Button>
      </div>
    </Dialog>
  );
}
