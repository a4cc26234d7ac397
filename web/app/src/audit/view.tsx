// What was decided, permitted and denied alike, with the rule that decided: of one room for its hosts, of the organisation for its
// admins. Filtered and paged by the server.

import { api, type AuditPage, type AuditRowView } from "@conclave/sdk";
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { Badge } from "../ui/badge";
import { Button } from "../ui/button";
import { textOf } from "../ui/failure";
import { Choice, Field } from "../ui/field";
import { Cross } from "../ui/icons";
import { useTurns } from "../ui/turns";
import { actionWords, ACTIONS, ruleWords, VERDICT } from "../words/audit";
import { ALL, asked, isVerdict, type Chosen, type Wanted } from "./filter";

export function AuditView(props: { room?: string }): JSX.Element {
  const wanted = useSignal<Wanted>(ALL);
  const page = useSignal<AuditPage | null>(null);
  const trouble = useSignal<string | null>(null);
  /** Where this page and each one before it began, so that one can go back. */
  const trail = useSignal<readonly (number | undefined)[]>([undefined]);
  const turns = useTurns();
  const load = async () => {
    trouble.value = null;
    try {
      const found = await turns.begin(api.audit(asked(wanted.value, trail.value.at(-1)), props.room));
      if (found !== null) page.value = found;
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
  const next = page.value?.next ?? null;
  // Until the newest answer is here, what is shown goes on somewhere else.
  const standing = turns.standing.value;
  return (
    <div class="audit">
      <p class="hint">
        Every decision with the rule behind it, chained so that nothing can be changed or taken out unseen. An administrator of the server keeps a copy with <code>conclave audit export</code> and checks the chain with <code>conclave audit verify</code>.
      </p>
      <form class="audit-filters" role="search" aria-label="Filters" onSubmit={(event) => event.preventDefault()}>
        <Choice
          label="Decision"
          value={wanted.value.verdict}
          options={[{ value: "", label: "All" }, ...Object.entries(VERDICT).map(([value, label]) => ({ value, label }))]}
          onChange={(verdict) => set({ verdict: isVerdict(verdict) ? verdict : "" })}
        />
        <Field label="From" type="date" value={wanted.value.from} onInput={(from) => set({ from })} />
        <Field label="To" type="date" value={wanted.value.to} onInput={(to) => set({ to })} />
        <Choice label="Action" value={wanted.value.action} options={[{ value: "", label: "All" }, ...ACTIONS]} onChange={(action) => set({ action })} />
        <Button small onPress={load}>
          Look again
        </Button>
      </form>
      <div class="action-row">
        {wanted.value.actor !== null && <Chip chosen={wanted.value.actor} about="Done by" onClear={() => set({ actor: null })} />}
        {wanted.value.room !== null && <Chip chosen={wanted.value.room} about="In" onClear={() => set({ room: null })} />}
      </div>
      {trouble.value !== null && (
        <p class="alert" role="alert">
          {trouble.value}
        </p>
      )}
      {page.value !== null && rows.length === 0 && <p class="hint">{next === null ? "Nothing was decided that fits these filters." : "Nothing on this page fits. There are older ones."}</p>}
      <ul class="audit-rows" aria-label="Decisions">
        {rows.map((row) => (
          <Row key={row.seq} row={row} inRoom={props.room !== undefined} onChoose={set} />
        ))}
      </ul>
      {(trail.value.length > 1 || next !== null) && (
        <nav class="pager" aria-label="Pages">
          <Button small disabled={trail.value.length < 2} onPress={() => (trail.value = trail.value.slice(0, -1))}>
            Newer
          </Button>
          <Button small disabled={next === null || standing === "failed"} busy={standing === "asked"} onPress={() => (trail.value = [...trail.value, next ?? undefined])}>
            Older
          </Button>
        </nav>
      )}
    </div>
  );
}

function Chip(props: { chosen: Chosen; about: string; onClear: () => void }): JSX.Element {
  return (
    <Button small label={`${props.about} ${props.chosen.words}: show all again`} onPress={props.onClear}>
      {props.about} {props.chosen.words} <Cross size={14} />
    </Button>
  );
}

function Row(props: { row: AuditRowView; inRoom: boolean; onChoose: (change: Partial<Wanted>) => void }): JSX.Element {
  const { row, onChoose } = props;
  const { actor, subject, room } = row;
  return (
    <li class="audit-row">
      <p class="audit-what">
        <Badge tone={row.verdict === "denied" ? "warn" : row.verdict === "permitted" ? "good" : "plain"}>{VERDICT[row.verdict]}</Badge>
        <span class="line-name">{actionWords(row.action)}</span>
        {row.count > 1 && <Badge>{row.count} times</Badge>}
      </p>
      <p class="audit-who">
        {actor !== null && (
          <button type="button" class="link" aria-label={`Only what ${actor.name ?? actor.id} did`} onClick={() => onChoose({ actor: { id: actor.id, words: actor.name ?? shortId(actor.id) } })}>
            {actor.name ?? <code>{shortId(actor.id)}</code>}
          </button>
        )}
        {subject !== null && subject.id !== actor?.id && <span>to {subject.name ?? <code>{shortId(subject.id)}</code>}</span>}
        {!props.inRoom && room !== null && (
          <button type="button" class="link" aria-label={`Only what was done in ${room.title ?? room.id}`} onClick={() => onChoose({ room: { id: room.id, words: room.title ?? shortId(room.id) } })}>
            in {room.title ?? <code>{shortId(room.id)}</code>}
          </button>
        )}
        {row.detail !== null && <span class="hint">{row.detail}</span>}
      </p>
      <p class="hint audit-ids">
        <time dateTime={new Date(row.at).toISOString()}>{new Date(row.at).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" })}</time>
        <span>{ruleWords(row)}</span>
        <span>No. {row.seq}</span>
      </p>
    </li>
  );
}

function shortId(id: string): string {
  return id.length > 10 ? `${id.slice(0, 8)}…` : id;
}
