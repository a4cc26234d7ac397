// Somebody tried to use a copy of this session: said until it is put away, and again when they try once more.

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { account, trySignOut } from "../account";
import { storedHere } from "../kept";
import { Button } from "../ui/button";
import { COPIED, COPIED_ADVICE, copiedTimes } from "../words/session";

const READ = "conclave.copied.read";

export function CopiedNotice(): JSX.Element | null {
  const read = useSignal(Number(storedHere.getItem(READ) ?? 0));
  const copied = account.value?.copied;
  if (copied === undefined || copied.last <= read.value) return null;
  const putAway = () => {
    read.value = copied.last;
    storedHere.setItem(READ, String(copied.last));
  };
  return (
    <section class="alert" role="alert" aria-label="Your session was copied">
      <p>
        {COPIED} {copiedTimes(copied.times, copied.last)} {COPIED_ADVICE}
      </p>
      <div class="action-row">
        <Button small onPress={trySignOut}>
          Sign out
        </Button>
        <Button small kind="quiet" onPress={putAway}>
          I have read it
        </Button>
      </div>
    </section>
  );
}
