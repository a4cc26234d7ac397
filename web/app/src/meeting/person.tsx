// What a host may do to one person, laid out: cuts, rights, the role, the spotlight, the way out. The acts themselves stand in
// acts.ts.

import type { ParticipantView } from "@conclave/sdk";
import type { JSX } from "preact";
import { Button } from "../ui/button";
import { Choice } from "../ui/field";
import { ROLE } from "../words/people";
import type { Act } from "./acts";
import type { Meeting } from "./model";
import { rankOf } from "./rank";

export function PersonActions(props: { id: string; participant: ParticipantView; meeting: Meeting; acts: readonly Act[] }): JSX.Element {
  const { participant, meeting, acts } = props;
  const of = (group: Act["group"]) => acts.filter((act) => act.group === group);
  const cuts = of("now");
  const rights = of("rights");
  const roles = of("role");
  const out = of("out");
  return (
    <div class="person-actions" id={props.id} role="group" aria-label={`Options for ${participant.name}`}>
      <div class="action-row">
        {[...cuts, ...of("place")].map((act) => (
          <ActButton key={act.id} act={act} meeting={meeting} />
        ))}
      </div>
      {cuts.length === 0 && rights.length > 0 && <p class="hint">Nothing is on. You cannot turn anything on for someone else.</p>}
      {rights.length > 0 && (
        <fieldset class="rights">
          <legend>Rights</legend>
          {RIGHTS.map(({ source, label }) => {
            const act = rights.find((one) => one.id === `right.${source}`);
            const state = participant.sources[source];
            const allowed = state === "off" || state === "on";
            return (
              <label class="right" key={source}>
                <input
                  type="checkbox"
                  role="switch"
                  checked={allowed}
                  aria-keyshortcuts={act?.key}
                  onChange={(event) => {
                    // The switch shows what holds: it moves when the server says so.
                    event.currentTarget.checked = allowed;
                    if (act !== undefined) void meeting.act(act);
                  }}
                />
                <span>
                  {label}
                  {state === "withdrawn" && <span class="hint"> (withdrawn)</span>}
                </span>
              </label>
            );
          })}
        </fieldset>
      )}
      {roles.length > 0 && (
        <Choice
          label="Role"
          value={participant.role}
          options={[
            { value: participant.role, label: ROLE[participant.role], rank: rankOf(participant.role) },
            ...roles.map((act) => ({ value: act.id.slice("role.".length), label: act.label.replace(/^Make (.)/u, (_, first: string) => first.toUpperCase()), rank: Number(act.key) })),
          ].sort((a, b) => b.rank - a.rank)}
          onChange={(role) => {
            const act = roles.find((one) => one.id === `role.${role}`);
            if (act !== undefined) void meeting.act(act);
          }}
        />
      )}
      {out.length > 0 && (
        <div class="action-column">
          {out.map((act) => (
            <ActButton key={act.id} act={act} meeting={meeting} danger={act.id === "remove" || act.id === "bar"} />
          ))}
        </div>
      )}
    </div>
  );
}

const RIGHTS = [
  { source: "microphone", label: "May speak" },
  { source: "camera", label: "May show video" },
  { source: "screen", label: "May share the screen" },
] as const;

function ActButton(props: { act: Act; meeting: Meeting; danger?: boolean }): JSX.Element {
  const { act, meeting } = props;
  return (
    <Button small kind={props.danger === true ? "danger" : "plain"} shortcut={act.key} onPress={() => meeting.act(act)}>
      {act.label}
    </Button>
  );
}
