// What changes the ways into an account wants its holder to be there: when the last sign-in is some time ago the server asks for the
// password or a passkey once more, and then what was wanted is done.

import { own } from "@conclave/sdk";
import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { textOf } from "../ui/failure";
import { Field } from "../ui/field";
import { Form } from "../ui/form";

interface Asking {
  /** Until it is proved or called off. */
  here: AbortSignal;
  proved: () => void;
  calledOff: () => void;
}

const asking = signal<Asking | null>(null);
/** How many pages that ask were left. */
let left = 0;

/** Does it, after a proof if the server wants one; gives null when that was called off, as whoever leaves the page does. */
export async function whilePresent<Answer>(act: () => Promise<Answer>): Promise<Answer | null> {
  const page = left;
  try {
    return await act();
  } catch (failure) {
    if (!own.wantsProof(failure)) throw failure;
  }
  // The next page does not say what the proof would be for.
  if (left !== page) return null;
  return (await proof()) ? act() : null;
}

/** One is asked for at a time: the newer calls off the older. */
function proof(): Promise<boolean> {
  asking.peek()?.calledOff();
  return new Promise((settle) => {
    const over = new AbortController();
    const end = (proved: boolean) => {
      if (asking.peek() !== one) return;
      asking.value = null;
      over.abort();
      settle(proved);
    };
    const one: Asking = { here: over.signal, proved: () => end(true), calledOff: () => end(false) };
    asking.value = one;
  });
}

/** The same for pages that do not know whether there is a passkey; without one the password is asked for. */
export function Presence(): JSX.Element | null {
  const [passkey, setPasskey] = useState(false);
  useEffect(() => {
    own.passkeys().then((list) => setPasskey(list.passkeys.length > 0), () => undefined);
  }, []);
  return <PresentDialog passkey={passkey} />;
}

/** Stands on the page that asks. */
export function PresentDialog(props: { passkey: boolean }): JSX.Element | null {
  const [password, setPassword] = useState("");
  const [trouble, setTrouble] = useState<string | null>(null);
  const open = asking.value;
  useEffect(
    () => () => {
      left += 1;
      asking.peek()?.calledOff();
    },
    [],
  );
  if (open === null) return null;
  const byPasskey = async () => {
    setTrouble(null);
    try {
      if (await own.proveAgainByPasskey(open.here)) open.proved();
    } catch (failure) {
      setTrouble(textOf(failure));
    }
  };
  return (
    <Dialog title="Is it you?" onClose={open.calledOff}>
      <p>You signed in some time ago. Show once more that it is you before this is changed.</p>
      {trouble !== null && (
        <p class="alert" role="alert">
          {trouble}
        </p>
      )}
      {props.passkey && (
        <Button wide autofocus onPress={byPasskey}>
          Use your passkey
        </Button>
      )}
      <Form
        submit="Go on"
        onSubmit={async () => {
          await own.proveAgainByPassword(password);
          setPassword("");
          open.proved();
        }}
      >
        <Field label="Password of your account" type="password" autocomplete="current-password" required maxLength={256} value={password} onInput={setPassword} />
      </Form>
    </Dialog>
  );
}
