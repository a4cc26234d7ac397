// Three ways to set a room at once. Each setting that changes is told and audited by itself.

import type { Preset, SettingView } from "@conclave/sdk";
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { Confirm } from "../ui/dialog";
import { presetSaid } from "../words/settings";

const PRESETS: readonly { preset: Preset; title: string; about: string }[] = [
  { preset: "locked_down", title: "Locked down", about: "Every setting at its strictest. How a new room starts." },
  { preset: "team_meeting", title: "Team meeting", about: "Accounts come straight in, also before a host, and share and write. Guests may knock, and wait." },
  { preset: "webinar", title: "Webinar", about: "Whoever has an account and the password comes in and watches. Presenters speak and share." },
];

export interface Applied {
  changed: readonly SettingView[];
  kept: readonly SettingView[];
}

/** `apply` gives null when it was refused, which its owner says. */
export function Presets(props: { apply: (preset: Preset) => Promise<Applied | null> }): JSX.Element {
  const done = useSignal<string | null>(null);
  const asking = useSignal<(typeof PRESETS)[number] | null>(null);
  const wanted = asking.value;
  return (
    <div class="presets" role="group" aria-label="Presets">
      {PRESETS.map((one) => (
        <button type="button" class="preset" key={one.preset} onClick={() => (asking.value = one)}>
          <span class="preset-title">{one.title}</span>
          <span class="hint">{one.about}</span>
        </button>
      ))}
      {wanted !== null && (
        <Confirm
          title={`Set the room as “${wanted.title}”?`}
          text={`${wanted.about} Settings that the organisation locked stay as they are. Everyone is told of each setting that changes.`}
          confirm={`Set as “${wanted.title}”`}
          onConfirm={async () => {
            const applied = await props.apply(wanted.preset);
            done.value = applied === null ? null : presetSaid(wanted.title, applied.changed, applied.kept);
          }}
          onClose={() => (asking.value = null)}
        />
      )}
      {done.value !== null && (
        <p class="note" role="status">
          {done.value}
        </p>
      )}
      <p class="hint">A preset changes several settings at once; each stays yours to change.</p>
    </div>
  );
}
