// What became of telling one webhook, the newest first, page by page; and telling it again.

import { control, type Delivery, type DeliveryState, type WebhookLine } from "@conclave/sdk";
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { Badge } from "../ui/badge";
import { Button } from "../ui/button";
import { Choice } from "../ui/field";
import { useTurns } from "../ui/turns";
import { eventWords, moment, outcomeWords, STATES } from "../words/webhooks";
import { useAttempts } from "./attempt";
import { Trouble } from "./trouble";

const FILTERS: readonly { value: "" | DeliveryState; label: string }[] = [
  { value: "", label: "Everything" },
  { value: "due", label: STATES.due },
  { value: "told", label: STATES.told },
  { value: "dead", label: STATES.dead },
];

const TONES = { due: "plain", told: "good", dead: "warn" } as const;

/** How often what is still to be told is looked at again. */
const LOOK_MS = 2000;

export function Deliveries(props: { webhook: WebhookLine }): JSX.Element {
  const state = useSignal<"" | DeliveryState>("");
  const lines = useSignal<Delivery[] | null>(null);
  const next = useSignal<string | null>(null);
  const said = useSignal<string | null>(null);
  const further = useSignal(false);
  const turns = useTurns();
  const { trouble, attempt } = useAttempts();
  const ask = (after: string | null) => control.deliveries(props.webhook.id, state.value === "" ? null : state.value, after);
  const load = () =>
    attempt(async () => {
      const page = await turns.begin(ask(null));
      if (page === null) return;
      lines.value = page.deliveries;
      next.value = page.next;
      further.value = false;
    });
  const earlier = () =>
    attempt(async () => {
      const page = await turns.join(() => ask(next.value));
      if (page === null) return;
      further.value = true;
      lines.value = [...(lines.value ?? []), ...page.deliveries];
      next.value = page.next;
    });
  /** What is on its way gets somewhere by itself. Whoever reads further back is not taken away from there. */
  const follow = () =>
    attempt(async () => {
      const page = await turns.join(() => ask(null));
      if (page === null || further.value) return;
      lines.value = page.deliveries;
      next.value = page.next;
    });
  useEffect(() => {
    void load();
    const timer = setInterval(() => {
      if (further.value || lines.value?.some((line) => line.state === "due") !== true) return;
      // What was asked for last and did not come is asked for again.
      void (turns.standing.peek() === "failed" ? load() : follow());
    }, LOOK_MS);
    return () => clearInterval(timer);
  }, []);
  const replay = async (delivery: string | null) => {
    said.value = null;
    await attempt(async () => {
      const { deliveries } = await control.replay(props.webhook.id, delivery);
      said.value = deliveries === 0 ? "There was nothing to send again." : deliveries === 1 ? "One event is sent again." : `${deliveries} events are sent again.`;
    });
    await load();
  };
  const dead = lines.value?.some((line) => line.state === "dead") === true;
  return (
    <div class="stack admin">
      <div class="admin-head">
        <Choice
          label="Show"
          value={state.value}
          options={FILTERS}
          onChange={(value) => {
            state.value = value as "" | DeliveryState;
            void load();
          }}
        />
        <Button small onPress={load}>
          Look again
        </Button>
        {dead && (
          <Button small onPress={() => replay(null)}>
            Send all that were given up again
          </Button>
        )}
      </div>
      {said.value !== null && (
        <p class="note" role="status">
          {said.value}
        </p>
      )}
      <Trouble text={trouble.value} />
      {lines.value === null && trouble.value === null && <p class="hint">One moment.</p>}
      {lines.value?.length === 0 && <p class="admin-empty">{state.value === "" ? "Nothing has been sent yet. A test shows whether it arrives." : "There is nothing of that kind."}</p>}
      <ul class="lines admin-lines" aria-label="Deliveries">
        {lines.value?.map((line) => (
          <li class="admin-line" key={line.id}>
            <div class="line-words">
              <p class="line-name">{eventWords(line.type)}</p>
              <p class="line-notes">
                <Badge tone={TONES[line.state]}>{STATES[line.state]}</Badge>
                <span class="hint">{moment(line.at)}</span>
                <span class="hint">{line.attempts === 1 ? "1 attempt" : `${line.attempts} attempts`}</span>
                {line.next !== null && line.attempts > 0 && <span class="hint">next {moment(line.next)}</span>}
              </p>
              {outcomeWords(line) !== "" && <p class="hint">{outcomeWords(line)}</p>}
              <p class="admin-address">{line.id}</p>
            </div>
            {line.state !== "due" && (
              <Button small label={`Send again: ${line.id}`} onPress={() => replay(line.id)}>
                Send again
              </Button>
            )}
          </li>
        ))}
      </ul>
      {next.value !== null && (
        <Button onPress={earlier} busy={turns.standing.value === "asked"} disabled={turns.standing.value === "failed"}>
          Show earlier ones
        </Button>
      )}
    </div>
  );
}
