// What hosts do to the whole room at once, and the dialogs that ask first: mute all, stop all shares, suspend, end.

import type { ParticipantView } from "@conclave/sdk";
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { Button } from "../ui/button";
import { Confirm, Dialog } from "../ui/dialog";
import { Check } from "../ui/field";
import { ROLE } from "../words/people";
import type { Meeting } from "./model";

export function stopAllShares(meeting: Meeting): Promise<boolean> {
  return meeting.doing("Nothing is shared any more.", () => meeting.client.stopAllShares());
}

function muteAll(meeting: Meeting, except: string[]): Promise<boolean> {
  return meeting.doing(
    (count) => (count === 0 ? "Nobody had a microphone on." : `${count === 1 ? "1 microphone is" : `${String(count)} microphones are`} off. Nobody but the person turns one on again.`),
    () => meeting.client.muteAll(except),
  );
}

/** Everyone but oneself, and whom the host ticks. */
export function MuteAllDialog(props: { meeting: Meeting; onClose: () => void }): JSX.Element {
  const { meeting } = props;
  const room = meeting.room.value;
  const others = room?.participants.filter((p) => p.participant !== room.you) ?? [];
  const spared = useSignal<ReadonlySet<string>>(new Set());
  const toggle = (p: ParticipantView) => {
    const next = new Set(spared.value);
    if (!next.delete(p.participant)) next.add(p.participant);
    spared.value = next;
  };
  return (
    <Dialog title="Mute everyone" onClose={props.onClose}>
      <p>Every microphone but yours goes off at once, and only its owner can turn it on again. They have to be allowed first.</p>
      {others.length > 0 && (
        <fieldset class="spared">
          <legend>Go on speaking may</legend>
          {others.map((p) => (
            <Check key={p.participant} label={p.name} hint={`${ROLE[p.role]}, microphone ${p.sources.microphone === "on" ? "on" : "off"}`} checked={spared.value.has(p.participant)} onChange={() => toggle(p)} />
          ))}
        </fieldset>
      )}
      <div class="dialog-actions">
        <Button onPress={props.onClose}>Cancel</Button>
        <Button
          kind="primary"
          autofocus
          onPress={async () => {
            if (room !== null) await muteAll(meeting, [room.you, ...spared.value]);
            props.onClose();
          }}
        >
          {spared.value.size === 0 ? "Mute everyone" : `Mute all but ${spared.value.size}`}
        </Button>
      </div>
    </Dialog>
  );
}

export function SuspendDialog(props: { meeting: Meeting; onClose: () => void }): JSX.Element {
  const { meeting } = props;
  return (
    <Confirm
      title="Suspend the meeting?"
      text="At once every microphone, camera and share stops and the room locks. Everyone stays, and nothing starts again until a host lifts the suspension and each person turns on their own."
      confirm="Suspend now"
      onConfirm={() => meeting.doing("The meeting is suspended. Nobody is heard or seen, and the room is locked.", () => meeting.client.suspend())}
      onClose={props.onClose}
    />
  );
}

export function EndDialog(props: { meeting: Meeting; onClose: () => void }): JSX.Element {
  const { meeting } = props;
  return (
    <Confirm
      title="End the meeting for everyone?"
      text="Everyone is disconnected at once. The room itself stays, and can be opened again."
      confirm="End for everyone"
      onConfirm={() => meeting.attempt(() => meeting.client.end())}
      onClose={props.onClose}
    />
  );
}
