// Who waits, for hosts: the name as it was given, how sure it is, since when, and the decision.

import type { KnockView } from "@conclave/sdk";
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { Badge } from "../ui/badge";
import { Button } from "../ui/button";
import { Hourglass } from "../ui/icons";
import { since, standing } from "../words/people";
import type { Meeting } from "./model";

export function Lobby(props: { meeting: Meeting }): JSX.Element {
  const { meeting } = props;
  const now = useSignal(Date.now());
  useEffect(() => {
    const timer = setInterval(() => (now.value = Date.now()), 15_000);
    return () => clearInterval(timer);
  }, []);
  const knocks = meeting.knocks.value;
  return (
    <section class="panel-part lobby" aria-label="Waiting">
      <h3>
        <Hourglass size={18} /> Waiting {knocks.length > 0 && <Badge tone="key">{knocks.length}</Badge>}
      </h3>
      {knocks.length === 0 && <p class="hint">Nobody waits. Whoever knocks appears here, and learns nothing of the room until you let them in.</p>}
      <ul class="lines" aria-live="polite">
        {knocks.map((knock) => (
          <Knock key={knock.knock} knock={knock} meeting={meeting} now={Math.max(now.value, knock.since)} />
        ))}
      </ul>
    </section>
  );
}

function Knock(props: { knock: KnockView; meeting: Meeting; now: number }): JSX.Element {
  const { knock, meeting } = props;
  const waited = since(knock.since, props.now);
  return (
    <li class="line knock" aria-label={`${knock.name} waits`}>
      <div class="line-words">
        <p class="line-name">{knock.name}</p>
        <p class="line-notes">
          <Badge tone={knock.signed_in ? "good" : "warn"}>{standing(knock.signed_in)}</Badge>
          {knock.while_locked && <Badge tone="key">while locked</Badge>}
          {knock.denied_before > 0 && <Badge tone="warn">{knock.denied_before === 1 ? "denied once before" : `denied ${knock.denied_before} times before`}</Badge>}
          <span class="hint">{waited === "just now" ? waited : `for ${waited}`}</span>
        </p>
      </div>
      <div class="line-actions">
        <Button small label={`Deny ${knock.name}`} onPress={() => meeting.deny(knock)}>
          Deny
        </Button>
        <Button small kind="primary" label={`Let in ${knock.name}`} onPress={() => meeting.admit(knock)}>
          Let in
        </Button>
      </div>
    </li>
  );
}
