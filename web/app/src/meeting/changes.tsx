// New names and pictures that wait for a host: old and new side by side, with what speaks against the new one.

import type { PendingProfile, Profile } from "@conclave/sdk";
import type { JSX } from "preact";
import { Avatar } from "../ui/avatar";
import { Button } from "../ui/button";
import { Warning } from "../ui/icons";
import { warningWords } from "../words/people";
import { KNOCK_KEYS } from "./keys";
import type { Meeting } from "./model";

export function Changes(props: { meeting: Meeting }): JSX.Element {
  const { meeting } = props;
  const changes = meeting.changes.value;
  return (
    <section class="panel-part" aria-label="Changes">
      {changes.length === 0 && <p class="hint">Nobody wants to be shown differently. Until you approve a new name or picture, everyone sees the old one.</p>}
      <ul class="lines" aria-live="polite" aria-label="Changes that wait">
        {changes.map((change) => (
          <Change key={`${change.participant}.${change.version}`} change={change} meeting={meeting} />
        ))}
      </ul>
    </section>
  );
}

function Change(props: { change: PendingProfile; meeting: Meeting }): JSX.Element {
  const { change, meeting } = props;
  const own = change.participant === meeting.room.value?.you;
  const decide = (approve: boolean) =>
    meeting.doing(approve ? `${change.old.name} is shown as ${change.new.name} now.` : `${change.old.name} is shown as before.`, () =>
      meeting.client.decideProfile(change.participant, change.version, approve),
    );
  return (
    <li class="change" aria-label={`Change of ${change.old.name}`} data-change={change.participant} tabIndex={-1}>
      <dl class="change-sides">
        <Side title="Now" profile={change.old} />
        <Side title="New" profile={change.new} />
      </dl>
      {change.warnings.map((warning) => (
        <p class="knock-warning" key={warning.kind}>
          <Warning size={16} /> {warningWords(warning)}
        </p>
      ))}
      {own && <p class="hint">Your own change; another host decides.</p>}
      {!own && (
        <div class="action-row">
          <Button small act="deny" shortcut={KNOCK_KEYS.deny} label={`Refuse the change of ${change.old.name}`} onPress={() => decide(false)}>
            Refuse
          </Button>
          <Button small kind="primary" act="admit" shortcut={KNOCK_KEYS.admit} label={`Approve the change of ${change.old.name}`} onPress={() => decide(true)}>
            Approve
          </Button>
        </div>
      )}
    </li>
  );
}

function Side(props: { title: string; profile: Profile }): JSX.Element {
  return (
    <div class="change-side">
      <dt>{props.title}</dt>
      <dd>
        <Avatar large name={props.profile.name} picture={props.profile.picture} />
        <span class="line-name">{props.profile.name}</span>
      </dd>
    </div>
  );
}
