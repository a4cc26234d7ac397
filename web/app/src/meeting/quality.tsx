// For hosts: how everyone's connection does, one row a person, live. What their own browser measured stands beside what the server
// sees; whoever suffers shows by a word, not by a colour alone.

import type { QualityView } from "@conclave/sdk";
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { Badge } from "../ui/badge";
import { Chevron } from "../ui/icons";
import { textOf } from "../ui/failure";
import {
  delayOf,
  delayWords,
  layerWords,
  lostOf,
  lostWords,
  protectionWords,
  rateWords,
  receivedWords,
  sentWords,
  serverSlotWords,
  serverSourceWords,
  SOURCE_WORDS,
  VERDICT_TONE,
  VERDICT_WORDS,
  verdictOn,
  wayWords,
} from "../words/quality";
import type { Meeting } from "./model";

const EVERY_MS = 3_000;

export function QualityPanel(props: { meeting: Meeting }): JSX.Element {
  const { meeting } = props;
  const lines = useSignal<readonly QualityView[] | null>(null);
  const trouble = useSignal<string | null>(null);
  const opened = useSignal<string | null>(null);
  useEffect(() => {
    const look = async () => {
      if (document.hidden) return;
      try {
        lines.value = await meeting.client.quality();
        trouble.value = null;
      } catch (failure) {
        trouble.value = textOf(failure);
      }
    };
    void look();
    const timer = setInterval(() => void look(), EVERY_MS);
    return () => clearInterval(timer);
  }, [meeting]);
  const names = new Map(lines.value?.map((line) => [line.participant, line.name]));
  return (
    <section class="panel-part" aria-label="Connections">
      <h3>Connections</h3>
      <p class="hint">What each browser measured in the last seconds, beside what the server sees. Only hosts see this.</p>
      {trouble.value !== null && (
        <p class="alert" role="alert">
          {trouble.value}
        </p>
      )}
      {lines.value === null ? (
        <p class="hint">One moment.</p>
      ) : (
        <table class="quality">
          <caption class="unseen">Connections of everyone in the room</caption>
          <thead>
            <tr>
              <th scope="col">Person</th>
              <th scope="col">State</th>
              <th scope="col">Delay</th>
              <th scope="col">Lost</th>
            </tr>
          </thead>
          {lines.value.map((line) => (
            <Line key={line.participant} line={line} names={names} open={opened.value === line.participant} onToggle={() => (opened.value = opened.value === line.participant ? null : line.participant)} />
          ))}
        </table>
      )}
    </section>
  );
}

function Line(props: { line: QualityView; names: ReadonlyMap<string, string>; open: boolean; onToggle: () => void }): JSX.Element {
  const { line, open } = props;
  const verdict = verdictOn(line);
  const id = `quality-${line.participant}`;
  return (
    <tbody>
      <tr>
        <th scope="row">
          <button type="button" class="quality-open" aria-expanded={open} aria-controls={open ? id : undefined} onClick={props.onToggle}>
            <Chevron size={16} />
            <span>{line.name}</span>
          </button>
        </th>
        <td>
          <Badge tone={VERDICT_TONE[verdict]}>{VERDICT_WORDS[verdict]}</Badge>
        </td>
        <td>{delayWords(delayOf(line))}</td>
        <td>{lostWords(line.client === null ? null : lostOf(line.client))}</td>
      </tr>
      {open && (
        <tr id={id}>
          <td colSpan={4}>
            <Details line={line} names={props.names} />
          </td>
        </tr>
      )}
    </tbody>
  );
}

function Details(props: { line: QualityView; names: ReadonlyMap<string, string> }): JSX.Element {
  const { client, server } = props.line;
  const who = (participant: string) => props.names.get(participant) ?? "someone";
  return (
    <div class="quality-details">
      <dl class="quality-facts">
        <Fact word="Way" value={client === null ? "not known" : wayWords(client.transport)} />
        {server !== null && <Fact word="Protected by" value={protectionWords(server)} />}
        {client !== null && client.transport.estimate_kbps !== null && <Fact word="Their line carries out" value={rateWords(client.transport.estimate_kbps)} />}
        {server !== null && server.round_trip_ms !== null && <Fact word="Delay as the server measures it" value={delayWords(server.round_trip_ms)} />}
        {server !== null && server.estimate !== null && <Fact word="Their line carries in" value={rateWords(Math.round(server.estimate / 1000))} />}
      </dl>
      <Part title="What they send">
        {[
          ...(client?.sent ?? []).map((sent) => ({ what: sent.layer === null ? SOURCE_WORDS[sent.source] : `${SOURCE_WORDS[sent.source]}, ${layerWords(sent.layer)}`, by: "Their browser", words: sentWords(sent) })),
          ...(server?.sources ?? []).map((source) => ({ what: SOURCE_WORDS[source.source], by: "Server", words: serverSourceWords(source) })),
        ]}
      </Part>
      <Part title="What they receive">
        {[
          ...(client?.received ?? []).map((got) => ({ what: `${SOURCE_WORDS[got.source]} of ${who(got.participant)}`, by: "Their browser", words: receivedWords(got) })),
          ...(server?.slots ?? []).map((slot) => ({ what: `${SOURCE_WORDS[slot.source]} of ${who(slot.participant)}`, by: "Server", words: serverSlotWords(slot) })),
        ]}
      </Part>
    </div>
  );
}

interface Seen {
  what: string;
  by: string;
  words: string;
}

function Part(props: { title: string; children: readonly Seen[] }): JSX.Element {
  const seen = props.children.toSorted((a, b) => a.what.localeCompare(b.what));
  return (
    <section>
      <h4>{props.title}</h4>
      {seen.length === 0 ? (
        <p class="hint">Nothing at the moment.</p>
      ) : (
        <ul class="quality-streams">
          {seen.map((one, at) => (
            <li key={`${one.what}/${one.by}/${at}`}>
              <p class="quality-what">
                {one.what} <span class="hint">{one.by}</span>
              </p>
              <p>{one.words}</p>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

export function Fact(props: { word: string; value: string }): JSX.Element {
  return (
    <div>
      <dt>{props.word}</dt>
      <dd>{props.value}</dd>
    </div>
  );
}
