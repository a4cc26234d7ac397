// The room panel: the lock, the invitation, the settings with what they mean, and the end for all. Who does not host reads it.

import type { RoomView } from "@conclave/sdk";
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { RoomInvitation } from "../pages/roomcard";
import { SettingsList } from "../settings/list";
import { Button } from "../ui/button";
import { Confirm } from "../ui/dialog";
import { Check } from "../ui/field";
import { Lock, Unlock } from "../ui/icons";
import { KEYS, setShortcuts, shortcutsOn } from "./keys";
import type { Meeting } from "./model";

export function RoomPanel(props: { meeting: Meeting; room: RoomView }): JSX.Element {
  const { meeting, room } = props;
  const host = meeting.moderates.value;
  const ending = useSignal(false);
  return (
    <>
      <section class="panel-part" aria-label="Lock">
        <div class="lock-state">
          {room.locked ? <Lock size={26} /> : <Unlock size={26} />}
          <div>
            <h3>{room.locked ? "The room is locked" : "The room is open to knocks"}</h3>
            <p class="hint">{room.locked ? "Late knocks wait and are marked. Nobody comes in unless a host lets them." : "Whoever has the link and the password may knock."}</p>
          </div>
        </div>
        {host && (
          <Button wide kind={room.locked ? "plain" : "primary"} onPress={() => meeting.attempt(() => meeting.client.lock(!room.locked))}>
            {room.locked ? "Unlock the room" : "Lock the room"}
          </Button>
        )}
      </section>
      {host && (
        <section class="panel-part" aria-label="Invitation">
          <h3>Invite</h3>
          <RoomInvitation room={room.room} mayRead />
        </section>
      )}
      <section class="panel-part" aria-label="Settings">
        <h3>Settings</h3>
        <p class="hint">{host ? "Every change is shown to everyone here and written to the audit log." : "You are told whenever one of them is changed."}</p>
        <SettingsList
          settings={room.settings}
          mayChange={host}
          onChange={async (key, value) => {
            await meeting.attempt(() => meeting.client.setSetting(key, value));
          }}
        />
      </section>
      <section class="panel-part" aria-label="Keyboard">
        <h3>Keyboard</h3>
        <dl class="keys">
          {Object.entries(KEYS).map(([what, key]) => (
            <div key={what}>
              <dt>
                <kbd>{key}</kbd>
              </dt>
              <dd>{KEY_WORDS[what]}</dd>
            </div>
          ))}
        </dl>
        <Check label="Single-key shortcuts" checked={shortcutsOn.value} onChange={setShortcuts} />
      </section>
      {host && (
        <section class="panel-part" aria-label="End">
          <Button wide kind="danger" onPress={() => (ending.value = true)}>
            End for everyone
          </Button>
        </section>
      )}
      {ending.value && (
        <Confirm
          title="End the meeting for everyone?"
          text="Everyone is disconnected at once. The room itself stays, and can be opened again."
          confirm="End for everyone"
          onConfirm={() => meeting.attempt(() => meeting.client.end())}
          onClose={() => (ending.value = false)}
        />
      )}
    </>
  );
}

const KEY_WORDS: Readonly<Record<string, string>> = {
  microphone: "Microphone on or off",
  camera: "Camera on or off",
  screen: "Share the screen, or stop",
  hand: "Raise or lower your hand",
  people: "People",
  room: "Room",
};
