// The voices: one audio element per slot that carries someone. A browser that holds back sound until the person has touched
// the page is answered with a button.

import type { AudioSlot } from "@conclave/sdk";
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { Button } from "../ui/button";
import { Speaker } from "../ui/icons";
import type { Meeting } from "./model";

export function Sound(props: { meeting: Meeting }): JSX.Element {
  const blocked = useSignal(false);
  const place = useRef<HTMLDivElement>(null);
  void props.meeting.tracks.value;
  const playAll = async () => {
    const elements = place.current?.querySelectorAll("audio") ?? [];
    await Promise.all([...elements].map((element) => element.play())).then(
      () => (blocked.value = false),
      () => undefined,
    );
  };
  return (
    <>
      <div ref={place} hidden>
        {props.meeting.client.audio().map((slot) => (
          <Voice key={slot.mid} slot={slot} onBlocked={() => (blocked.value = true)} />
        ))}
      </div>
      {blocked.value && (
        <div class="banner" role="alert">
          <Speaker size={20} />
          <p>Your browser holds back the sound of the meeting.</p>
          <Button small kind="primary" onPress={playAll}>
            Turn sound on
          </Button>
        </div>
      )}
    </>
  );
}

function Voice(props: { slot: AudioSlot; onBlocked: () => void }): JSX.Element {
  const audio = useRef<HTMLAudioElement>(null);
  useEffect(() => {
    const element = audio.current;
    if (element === null) return;
    element.srcObject = new MediaStream([props.slot.track]);
    element.play().catch((failure: unknown) => {
      if (failure instanceof DOMException && failure.name === "NotAllowedError") props.onBlocked();
    });
  }, [props.slot.track]);
  return <audio ref={audio} />;
}
