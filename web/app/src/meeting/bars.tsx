// Whom hosts barred from this room, and the way to lift it.

import type { BarView } from "@conclave/sdk";
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { Button } from "../ui/button";
import { useTurns } from "../ui/turns";
import type { Meeting } from "./model";

export function Bars(props: { meeting: Meeting }): JSX.Element {
  const { meeting } = props;
  const bars = useSignal<readonly BarView[] | null>(null);
  const turns = useTurns();
  const load = () =>
    meeting.attempt(async () => {
      bars.value = (await turns.begin(meeting.client.bars())) ?? bars.value;
    });
  return (
    <section class="panel-part" aria-label="Barred">
      <h3>Barred from this room</h3>
      {bars.value === null && (
        <Button small onPress={load}>
          Show who is barred
        </Button>
      )}
      {bars.value?.length === 0 && <p class="hint">Nobody is barred.</p>}
      <ul class="lines">
        {bars.value?.map((bar) => (
          <li class="line" key={bar.bar}>
            <div class="line-words">
              <p class="line-name">{bar.name}</p>
              <p class="hint">
                {bar.known_by.map(knownWords).join(", ")}; since {new Date(bar.at).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" })}
              </p>
            </div>
            <Button
              small
              label={`Lift the bar of ${bar.name}`}
              onPress={async () => {
                await meeting.doing(`${bar.name} may knock again.`, () => meeting.client.unbar(bar.bar));
                await load();
              }}
            >
              Lift
            </Button>
          </li>
        ))}
      </ul>
    </section>
  );
}

function knownWords(by: BarView["known_by"][number]): string {
  switch (by) {
    case "account":
      return "by account";
    case "guest":
      return "by guest session";
    case "guest_link":
      return "by guest link";
    case "device":
      return "by device";
  }
}
