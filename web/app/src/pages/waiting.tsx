// The waiting room: the own picture and a way out. Nothing of the room is here, because nothing of it was sent.

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { Preview } from "../devices/preview";
import { Button } from "../ui/button";
import { Mark } from "../ui/icons";
import { since } from "../words/people";

export function WaitingPage(props: { since: number; onLeave: () => void }): JSX.Element {
  const now = useSignal(Date.now());
  useEffect(() => {
    document.title = "Waiting – Conclave";
    const timer = setInterval(() => (now.value = Date.now()), 15_000);
    return () => {
      clearInterval(timer);
      document.title = "Conclave";
    };
  }, []);
  return (
    <main class="waiting">
      <div class="waiting-door">
        <Mark size={72} />
        <div role="status">
          <h1>A host will decide</h1>
          <p class="lead">You have knocked. As soon as a host lets you in, the meeting opens here.</p>
        </div>
        <p class="hint">
          Knocked: {since(props.since, now.value)}
          {now.value - props.since >= 60_000 ? " ago" : ""}. Until then you learn nothing of the room, and it sees only your name.
        </p>
      </div>
      <Preview />
      <Button onPress={props.onLeave}>Stop waiting and leave</Button>
    </main>
  );
}
