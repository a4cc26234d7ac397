// Every key of a meeting, in one dialog: one's own, those of hosts, those on a person and on someone who waits.

import type { JSX } from "preact";
import { Dialog } from "../ui/dialog";
import { Check } from "../ui/field";
import { HOST_KEYS, KEYS, KNOCK_KEYS, setShortcuts, shortcutsOn } from "./keys";
import type { Meeting } from "./model";

interface Line {
  key: string;
  words: string;
}

const OWN: readonly Line[] = [
  { key: KEYS.microphone, words: "Microphone on or off" },
  { key: KEYS.camera, words: "Camera on or off" },
  { key: KEYS.screen, words: "Share the screen, or stop" },
  { key: KEYS.hand, words: "Raise or lower your hand" },
  { key: KEYS.people, words: "People" },
  { key: KEYS.chat, words: "Chat" },
  { key: KEYS.captions, words: "Captions" },
  { key: KEYS.room, words: "Room" },
  { key: KEYS.layout, words: "Speaker or grid" },
  { key: "?", words: "These keys" },
  { key: "Esc", words: "Close the panel" },
];

const HOST: readonly Line[] = [
  { key: HOST_KEYS.waiting, words: "Who waits" },
  { key: HOST_KEYS.mute_all, words: "Mute everyone" },
  { key: HOST_KEYS.stop_shares, words: "Stop all shares" },
  { key: HOST_KEYS.lock, words: "Lock or unlock" },
  { key: HOST_KEYS.suspend, words: "Suspend" },
  { key: HOST_KEYS.end, words: "End for everyone" },
];

const PERSON: readonly Line[] = [
  { key: "M", words: "Mute" },
  { key: "V", words: "Pause video" },
  { key: "S", words: "Stop share" },
  { key: "U", words: "May speak, or not" },
  { key: "C", words: "May show video, or not" },
  { key: "D", words: "May share, or not" },
  { key: "L", words: "Spotlight, or end it" },
  { key: "1 2 3", words: "Attendee, presenter, host" },
  { key: "W", words: "Back to the waiting room" },
  { key: "X", words: "Remove" },
  { key: "B", words: "Remove and bar" },
  { key: "O", words: "Make owner" },
];

const KNOCK: readonly Line[] = [
  { key: KNOCK_KEYS.admit, words: "Let in, or approve" },
  { key: KNOCK_KEYS.deny, words: "Deny, or refuse" },
  { key: KNOCK_KEYS.choose, words: "Choose" },
];

export function ShortcutsDialog(props: { meeting: Meeting; onClose: () => void }): JSX.Element {
  const host = props.meeting.moderates.value;
  return (
    <Dialog title="Keys" wide onClose={props.onClose}>
      <Check label="Single-key shortcuts" hint="They rest while you type." checked={shortcutsOn.value} onChange={setShortcuts} />
      <div class="key-groups">
        <Keys title="Yours" lines={OWN} />
        {host && <Keys title="For the whole room" lines={HOST} />}
        {host && <Keys title="On a person who has the focus" lines={PERSON} hint="In the people panel the arrow keys go from person to person. What cannot be taken back is asked first: Enter does it." />}
        {host && <Keys title="On someone who waits, or a change, that has the focus" lines={KNOCK} />}
      </div>
    </Dialog>
  );
}

function Keys(props: { title: string; lines: readonly Line[]; hint?: string }): JSX.Element {
  return (
    <section class="key-group">
      <h3>{props.title}</h3>
      <dl class="keys">
        {props.lines.map((line) => (
          <div key={line.key}>
            <dt>
              <kbd>{line.key}</kbd>
            </dt>
            <dd>{line.words}</dd>
          </div>
        ))}
      </dl>
      {props.hint !== undefined && <p class="hint">{props.hint}</p>}
    </section>
  );
}
