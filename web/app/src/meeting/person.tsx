// What a host may do to one person: cut, allow or withdraw, change the role, remove. Nothing here can turn something on for
// another person.

import type { ParticipantView, Role, Source } from "@conclave/sdk";
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { Button } from "../ui/button";
import { Confirm } from "../ui/dialog";
import { Choice } from "../ui/field";
import { ROLE } from "../words/people";
import type { Meeting } from "./model";
import { rankOf } from "./rank";

const RIGHTS: readonly { source: Source; label: string }[] = [
  { source: "microphone", label: "May speak" },
  { source: "camera", label: "May show video" },
  { source: "screen", label: "May share the screen" },
];

const GIVEN: readonly Role[] = ["host", "presenter", "attendee"];

export function PersonActions(props: { id: string; participant: ParticipantView; meeting: Meeting }): JSX.Element {
  const { participant, meeting } = props;
  const { client } = meeting;
  const id = participant.participant;
  const removing = useSignal(false);
  const { sources } = participant;
  const screen = sources.screen === "on" || sources.screen_audio === "on";
  const ownRank = rankOf(meeting.own.value?.role ?? "guest");
  const roles = GIVEN.filter((role) => rankOf(role) < ownRank);
  const nothing = sources.microphone !== "on" && sources.camera !== "on" && !screen;
  return (
    <div class="person-actions" id={props.id} role="group" aria-label={`Options for ${participant.name}`}>
      <div class="action-row">
        {sources.microphone === "on" && (
          <Button small onPress={() => meeting.attempt(() => client.mute(id))}>
            Mute
          </Button>
        )}
        {sources.camera === "on" && (
          <Button small onPress={() => meeting.attempt(() => client.pauseVideo(id))}>
            Pause video
          </Button>
        )}
        {screen && (
          <Button small onPress={() => meeting.attempt(() => client.stopShare(id))}>
            Stop share
          </Button>
        )}
        {nothing && <p class="hint">Nothing is on. You cannot turn anything on for someone else.</p>}
      </div>
      <fieldset class="rights">
        <legend>Rights</legend>
        {RIGHTS.map(({ source, label }) => {
          const allowed = sources[source] === "off" || sources[source] === "on";
          return (
            <label class="right" key={source}>
              <input
                type="checkbox"
                role="switch"
                checked={allowed}
                onChange={(event) => {
                  // The switch shows what holds: it moves when the server says so.
                  event.currentTarget.checked = allowed;
                  void meeting.attempt(() => client.allow(id, source, !allowed));
                }}
              />
              <span>
                {label}
                {sources[source] === "withdrawn" && <span class="hint"> (withdrawn)</span>}
              </span>
            </label>
          );
        })}
      </fieldset>
      {participant.role !== "guest" && participant.role !== "observer" && (
        <Choice
          label="Role"
          value={participant.role}
          options={[...new Set([participant.role, ...roles])].sort((a, b) => rankOf(b) - rankOf(a)).map((role) => ({ value: role, label: ROLE[role] }))}
          onChange={(role) => {
            const wanted = GIVEN.find((given) => given === role);
            if (wanted !== undefined) void meeting.attempt(() => client.setRole(id, wanted));
          }}
        />
      )}
      <Button small kind="danger" onPress={() => (removing.value = true)}>
        Remove from the room
      </Button>
      {removing.value && (
        <Confirm
          title={`Remove ${participant.name}?`}
          text="They are cut off at once, on every device, and cannot come back into this session unless the settings of the room say so."
          confirm="Remove"
          onConfirm={() => meeting.attempt(() => client.remove(id))}
          onClose={() => (removing.value = false)}
        />
      )}
    </div>
  );
}
