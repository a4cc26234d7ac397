// The waiting room: the own picture and a way out. Nothing of the room is here, because nothing of it was sent.

import type { WaitingWord, Waiting } from "@conclave/sdk";
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { Preview } from "../devices/preview";
import { Button } from "../ui/button";
import { Mark } from "../ui/icons";
import { PHRASE, since } from "../words/people";

export function WaitingPage(props: { waiting: Waiting; onLeave: () => void }): JSX.Element {
  const { waiting } = props;
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
          <h1>{waiting.sentBack ? "You are outside again" : "A host will decide"}</h1>
          <p class="lead">
            {waiting.sentBack
              ? "A host sent you back to the waiting room. Your camera and microphone are off. When a host lets you in, the meeting opens here again."
              : waiting.restarted
                ? "The server was started anew, and you have knocked again. Your camera and microphone are off. As soon as a host lets you in, the meeting opens here."
                : "You have knocked. As soon as a host lets you in, the meeting opens here."}
          </p>
        </div>
        {waiting.messages.length > 0 && (
          <div class="host-words" role="log" aria-label="Messages of a host">
            {waiting.messages.map((message, index) => (
              <p key={index}>
                <strong>A host says:</strong> {wordsOf(message)}
              </p>
            ))}
          </div>
        )}
        <p class="hint">
          Knocked: {since(waiting.since, now.value)}
          {now.value - waiting.since >= 60_000 ? " ago" : ""}. Until then you learn nothing of the room, and it sees only your name.
        </p>
      </div>
      <Preview />
      <Button onPress={props.onLeave}>Stop waiting and leave</Button>
    </main>
  );
}

function wordsOf(message: WaitingWord): string {
  return "phrase" in message ? PHRASE[message.phrase] : message.text;
}
