// The second factor that an organisation asks for of whoever leads a room or administers it: shown in the session that goes on, and
// then what was wanted is done.

import { onFactorRequired, own } from "@conclave/sdk";
import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { account } from "../account";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { textOf } from "../ui/failure";

interface Asking {
  /** Whether the account has a passkey that could be shown. */
  has: boolean;
  trouble: string | null;
  settle: (shown: boolean) => void;
}

const asking = signal<Asking | null>(null);
/** However many requests want it, one dialog stands for them all. */
let shared: Promise<boolean> | null = null;

onFactorRequired(() => wantFactor());

/** Asks for the passkey in a dialog; false when that was called off. */
export function wantFactor(): Promise<boolean> {
  shared ??= ask(null).finally(() => {
    shared = null;
    asking.value = null;
  });
  return shared;
}

/** Asks the browser for the passkey at once, and opens the dialog only if nothing comes of it. */
export async function showFactor(): Promise<boolean> {
  try {
    if ((await has()) && (await show())) return true;
  } catch (failure) {
    shared ??= ask(textOf(failure)).finally(() => {
      shared = null;
      asking.value = null;
    });
    return shared;
  }
  return wantFactor();
}

async function ask(trouble: string | null): Promise<boolean> {
  const found = await has().catch(() => true);
  return new Promise((settle) => (asking.value = { has: found, trouble, settle }));
}

async function has(): Promise<boolean> {
  return (await own.passkeys()).passkeys.some((passkey) => passkey.copied === null);
}

async function show(): Promise<boolean> {
  const me = await own.stepUp();
  if (me === null) return false;
  account.value = me;
  return true;
}

/** Stands once in the app, over whatever page asks. */
export function FactorDialog(): JSX.Element | null {
  const open = asking.value;
  return open === null ? null : <Opened asking={open} />;
}

function Opened(props: { asking: Asking }): JSX.Element {
  const { settle } = props.asking;
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
      else if (await show()) settle(true);
      else setTrouble("No passkey was shown. Try it once more, or leave it for now.");
    } catch (failure) {
      setTrouble(textOf(failure));
    }
  };
  return (
    <Dialog title="Show your passkey" onClose={() => settle(false)}>
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
        <Button onPress={() => settle(false)}>Not now</Button>
        <Button kind="primary" autofocus onPress={press}>
          {has ? "Show your passkey" : "I have added one"}
        </Button>
      </div>
    </Dialog>
  );
}
