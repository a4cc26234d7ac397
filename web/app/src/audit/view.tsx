// What was decided, allowed and denied alike, with the rule that decided: of one room for its hosts, of the organisation for its
// admins. Filtered and paged by the server.

import { api, type AuditPage, type AuditRow } from "@conclave/sdk";
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { Badge } from "../ui/badge";
import { Button } from "../ui/button";
import { textOf } from "../ui/failure";
import { Choice, DateField, Field } from "../ui/field";
import { actionWords, ACTIONS, outcomeWords } from "../words/audit";
import { ALL, asked, type Wanted } from "./filter";

export function AuditView(props: { room?: string }): JSX.Element {
  const wanted = useSignal<Wanted>(ALL);
  const page = useSignal<AuditPage | null>(null);
  const trouble = useSignal<string | null>(null);
  /** Where each page before this one began, so that one can go back. */
  const trail = useSignal<readonly (number | undefined)[]>([undefined]);
  const load = async () => {
    trouble.value = null;
    try {
      page.value = await api.audit(asked(wanted.value, props.room, trail.value.at(-1)));
    } catch (failure) {
      trouble.value = textOf(failure);
    }
  };
  useEffect(() => void load(), [props.room, wanted.value, trail.value]);
  const set = (change: Partial<Wanted>) => {
    trail.value = [undefined];
    wanted.value = { ...wanted.value, ...change };
  };
  const rows = page.value?.rows ?? [];
  return (
    <div class="audit">
      <p class="hint">
        Every decision with the rule behind it, chained so that nothing can be changed or taken out unseen. To keep a copy: <code>conclave audit export</code> writes JSON Lines, <code>conclave audit verify</code> checks the chain.
      </p>
      <form class="audit-filters" role="search" aria-label="Filters" onSubmit={(event) => event.preventDefault()}>
        <Choice
          label="Decision"
          value={wanted.value.outcome}
          options={[
            { value: "", label: "All" },
            { value: "allowed", label: "Allowed" },
            { value: "denied", label: "Denied" },
          ]}
          onChange={(outcome) => set({ outcome: outcome as Wanted["outcome"] })}
        />
        <Choice label="Action" value={wanted.value.action} options={[{ value: "", label: "All" }, ...ACTIONS]} onChange={(action) => set({ action })} />
        <Field label="Who (id)" value={wanted.value.actor} onInput={(actor) => set({ actor })} maxLength={26} plainText />
        <DateField label="From" value={wanted.value.from} onInput={(from) => set({ from })} />
        <DateField label="To" value={wanted.value.until} onInput={(until) => set({ until })} />
      </form>
      {trouble.value !== null && (
        <p class="alert" role="alert">
          {trouble.value}
        </p>
      )}
      {page.value !== null && rows.length === 0 && <p class="hint">Nothing was decided that fits these filters.</p>}
      <ul class="audit-rows" aria-label="Decisions">
        {rows.map((row) => (
          <Row key={row.number} row={row} inRoom={props.room !== undefined} />
        ))}
      </ul>
      {page.value !== null && (trail.value.length > 1 || page.value.more) && (
        <nav class="pager" aria-label="Pages">
          <Button small disabled={trail.value.length < 2} onPress={() => (trail.value = trail.value.slice(0, -1))}>
            Newer
          </Button>
          <Button small disabled={!page.value.more} onPress={() => (trail.value = [...trail.value, rows.at(-1)?.number])}>
            Older
          </Button>
        </nav>
      )}
    </div>
  );
}

function Row(props: { row: AuditRow; inRoom: boolean }): JSX.Element {
  const { row } = props;
  const denied = row.outcome === "denied";
  return (
    <li class="audit-row">
      <p class="audit-what">
        <Badge tone={denied ? "warn" : "good"}>{outcomeWords(row.outcome)}</Badge>
        <span class="line-name">{actionWords(row.action)}</span>
        {row.count > 1 && <Badge>{row.count} times</Badge>}
      </p>
      <p class="hint">
        <time dateTime={new Date(row.at).toISOString()}>{new Date(row.at).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" })}</time>
      </p>
      <dl class="audit-ids">
        <Id name="Who" id={row.actor} />
        {row.subject !== null && <Id name="Whom" id={row.subject} />}
        {!props.inRoom && row.room !== null && <Id name="Room" id={row.room} />}
        {row.rule !== null && <Id name="Rule" id={row.rule} />}
        <Id name="No." id={String(row.number)} />
      </dl>
    </li>
  );
}

function Id(props: { name: string; id: string }): JSX.Element {
  return (
    <div>
      <dt>{props.name}</dt>
      <dd>
        <code>{props.id}</code>
      </dd>
    </div>
  );
}
