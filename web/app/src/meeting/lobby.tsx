// Who waits, for hosts: the name as it was given, how sure it is, since when, what speaks against it, and the decision on one, on
// several or on all. However many knock, one page of them is drawn.

import type { KnockView } from "@conclave/sdk";
import { useComputed, useSignal, useSignalEffect } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { Avatar } from "../ui/avatar";
import { Badge } from "../ui/badge";
import { Button } from "../ui/button";
import { Confirm } from "../ui/dialog";
import { Check } from "../ui/field";
import { Warning } from "../ui/icons";
import { identityWords, since } from "../words/people";
import { knockSound, knockTitle, setKnockSound, setKnockTitle } from "./alert";
import { KNOCK_KEYS } from "./keys";
import { FETCHED, Later } from "./later";
import type { Meeting } from "./model";
import { SayDialog } from "./say";
import { agreedWords, inOrder, merged, PAGE, pageOf, stillChosen, toggled, toggledAll, type Selection } from "./waiting";

export function Lobby(props: { meeting: Meeting }): JSX.Element {
  const { meeting } = props;
  const { client } = meeting;
  const now = useSignal(Date.now());
  const later = useMemo(() => new Later((after) => client.lobby(after, FETCHED)), [client]);
  useEffect(() => client.on("event", (event) => later.take(event)), [later]);
  useSignalEffect(() => {
    const state = meeting.state.value;
    // Whoever comes back anew is not told what went meanwhile.
    if (state.phase === "admitted" && state.link === "lost") later.clear();
  });
  const chosen = useSignal<Selection>(new Map());
  const at = useSignal(0);
  const saying = useSignal<{ knock?: KnockView } | null>(null);
  const denying = useSignal(false);
  useEffect(() => {
    const timer = setInterval(() => (now.value = Date.now()), 15_000);
    return () => clearInterval(timer);
  }, []);
  const lines = useRef<HTMLUListElement>(null);
  /** The line that has the focus: when it goes, the next one takes its place. */
  const focused = useRef(-1);
  useLayoutEffect(() => {
    if (focused.current < 0 || document.activeElement !== document.body) return;
    const left = [...(lines.current?.querySelectorAll<HTMLElement>("[data-knock]") ?? [])];
    left[Math.min(focused.current, left.length - 1)]?.focus();
  });
  // The first page follows the room; those after it are fetched when the host goes there.
  const knocks = useComputed(() => inOrder(merged(meeting.knocks.value, later.knocks.value)));
  const waiting = meeting.waiting.value;
  const page = pageOf(knocks.value, at.value);
  const { kept, changed } = stillChosen(chosen.value, knocks.value);

  const more = async () => {
    if (page.at + 1 < page.pages) {
      at.value = page.at + 1;
      return;
    }
    await meeting.attempt(async () => {
      if (await later.more(new Set(knocks.value.map((knock) => knock.knock)))) at.value = page.at + 1;
    });
  };
  const admitChosen = () =>
    meeting.doing((count) => `${String(count)} let in.`, async () => {
      const count = await client.admitMany([...kept].map(([knock, version]) => ({ knock, version })));
      chosen.value = new Map();
      return count;
    });
  const denyChosen = () =>
    meeting.doing((count) => `${String(count)} denied.`, async () => {
      const count = await client.denyMany([...kept.keys()]);
      chosen.value = new Map();
      return count;
    });
  const firstSuspected = page.shown.find((knock) => knock.suspected);
  return (
    <section class="panel-part lobby" aria-label="Waiting">
      {waiting === 0 && <p class="hint">Nobody waits. Whoever knocks appears here, and learns nothing of the room until you let them in.</p>}
      {waiting > 0 && (
        <div class="lobby-bar">
          <Check
            label={kept.size === 0 ? "Choose all shown" : `${kept.size} chosen`}
            checked={kept.size > 0 && page.shown.every((knock) => kept.has(knock.knock))}
            onChange={() => (chosen.value = toggledAll(kept, page.shown))}
          />
          <div class="action-row">
            {kept.size > 0 ? (
              <>
                <Button small onPress={denyChosen}>
                  Deny {kept.size}
                </Button>
                <Button small kind="primary" onPress={admitChosen}>
                  Let in {kept.size}
                </Button>
              </>
            ) : (
              <>
                <Button small onPress={() => (saying.value = {})}>
                  Message all
                </Button>
                <Button small kind="danger" onPress={() => (denying.value = true)}>
                  Deny all
                </Button>
              </>
            )}
          </div>
        </div>
      )}
      {changed.length > 0 && (
        <p class="alert" role="alert">
          {changed.map((knock) => knock.name).join(", ")}: changed since you chose them. Look again before you let them in.
        </p>
      )}
      <ul
        class="lines"
        ref={lines}
        aria-live="polite"
        aria-label="People who wait"
        onKeyDown={moveFocus}
        onFocusIn={(event) => (focused.current = lineAt(event.currentTarget, event.target))}
        onFocusOut={(event) => {
          if (event.relatedTarget !== null) focused.current = -1;
        }}
      >
        {page.shown.map((knock) => (
          <>
            {knock === firstSuspected && (
              <li class="lines-head" key="suspected">
                <h3>Suspected</h3>
                <p class="hint">Turned away twice or more.</p>
              </li>
            )}
            <Knock
              key={knock.knock}
              knock={knock}
              meeting={meeting}
              now={Math.max(now.value, knock.since)}
              chosen={kept.has(knock.knock)}
              onChoose={() => (chosen.value = toggled(kept, knock))}
              onSay={() => (saying.value = { knock })}
            />
          </>
        ))}
      </ul>
      {(page.pages > 1 || waiting > knocks.value.length) && (
        <nav class="pager" aria-label="Pages of those who wait">
          <Button small disabled={page.at === 0} onPress={() => (at.value = page.at - 1)}>
            Before
          </Button>
          <span class="hint" aria-live="polite">
            {page.at * PAGE + 1}–{page.at * PAGE + page.shown.length} of {waiting}
          </span>
          <Button small disabled={page.at + 1 >= page.pages && waiting <= knocks.value.length} onPress={more}>
            Next
          </Button>
        </nav>
      )}
      <details class="lobby-alerts">
        <summary>When someone knocks</summary>
        <div class="stack">
          <Check label="Play a sound" checked={knockSound.value} onChange={setKnockSound} />
          <Check label="Show the number on the browser’s tab" checked={knockTitle.value} onChange={setKnockTitle} />
        </div>
      </details>
      {saying.value !== null && <SayDialog meeting={meeting} knock={saying.value.knock} onClose={() => (saying.value = null)} />}
      {denying.value && (
        <Confirm
          title={`Deny all ${waiting}?`}
          text="Everyone who waits is turned away, those on other pages included. They may knock again, unless they were turned away twice."
          confirm="Deny all"
          onConfirm={() =>
            meeting.doing((count) => `${String(count)} denied.`, async () => {
              const count = await client.denyAll();
              at.value = 0;
              return count;
            })
          }
          onClose={() => (denying.value = false)}
        />
      )}
    </section>
  );
}

function lineAt(list: HTMLUListElement, target: EventTarget | null): number {
  return [...list.querySelectorAll("[data-knock]")].findIndex((line) => target instanceof Node && line.contains(target));
}

/** Up and down go from one who waits to the next. */
function moveFocus(event: JSX.TargetedKeyboardEvent<HTMLUListElement>): void {
  const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
  if (step === 0) return;
  const all = [...event.currentTarget.querySelectorAll<HTMLElement>("[data-knock]")];
  const next = all[lineAt(event.currentTarget, event.target) + step];
  if (next === undefined) return;
  event.preventDefault();
  next.focus();
}

interface KnockProps {
  knock: KnockView;
  meeting: Meeting;
  now: number;
  chosen: boolean;
  onChoose: () => void;
  onSay: () => void;
}

function Knock(props: KnockProps): JSX.Element {
  const { knock, meeting } = props;
  const waited = since(knock.since, props.now);
  const unsure = knock.identity.kind === "unverified";
  return (
    <li class="line knock" aria-label={`${knock.name} waits`} data-knock={knock.knock} tabIndex={-1}>
      <input type="checkbox" class="knock-choose" data-act="choose" aria-label={`Choose ${knock.name}`} checked={props.chosen} onChange={props.onChoose} />
      <Avatar name={knock.name} picture={knock.picture} />
      <div class="line-words">
        <p class="line-name">{knock.name}</p>
        <p class="line-notes">
          <Badge tone={unsure ? "warn" : "good"}>{identityWords(knock)}</Badge>
          {knock.while_locked && <Badge tone="key">while locked</Badge>}
          {knock.denied_before > 0 && <Badge tone="warn">{knock.denied_before === 1 ? "denied once before" : `denied ${knock.denied_before} times before`}</Badge>}
          {knock.agreed_by !== null && <Badge tone="key">{agreedWords(knock.agreed_by, meeting.own.value?.name)}</Badge>}
          <span class="hint">{waitedWords(waited, knock, props.now)}</span>
        </p>
        {knock.similar_to !== null && (
          <p class="knock-warning">
            <Warning size={16} /> This name looks like {knock.similar_to}’s, who is a host here.
          </p>
        )}
      </div>
      <div class="line-actions">
        <Button small kind="quiet" label={`Message ${knock.name}`} onPress={props.onSay}>
          Message
        </Button>
        <Button small act="deny" shortcut={KNOCK_KEYS.deny} label={`Deny ${knock.name}`} onPress={() => meeting.doing(`${knock.name} was denied.`, () => meeting.client.deny(knock.knock))}>
          Deny
        </Button>
        <Button
          small
          kind="primary"
          act="admit"
          shortcut={KNOCK_KEYS.admit}
          label={`Let in ${knock.name}`}
          onPress={() => meeting.letIn(knock)}
        >
          Let in
        </Button>
      </div>
    </li>
  );
}

function waitedWords(waited: string, knock: KnockView, now: number): string {
  const words = waited === "just now" ? waited : `for ${waited}`;
  const first = knock.since - knock.first_seen < 60_000 ? "" : `, first came ${since(knock.first_seen, now)} ago`;
  return words + first;
}
