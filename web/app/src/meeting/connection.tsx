// The own connection, in one dialog: what this browser measured in the last seconds. Hosts see the same.

import type { QualityReport, RoomView } from "@conclave/sdk";
import type { JSX } from "preact";
import { Badge } from "../ui/badge";
import { Dialog } from "../ui/dialog";
import { delayWords, layerWords, lostOf, lostWords, rateWords, receivedWords, sentWords, SOURCE_WORDS, VERDICT_TONE, VERDICT_WORDS, verdictOf, wayWords } from "../words/quality";
import type { Meeting } from "./model";
import { Fact } from "./quality";

export function ConnectionDialog(props: { meeting: Meeting; onClose: () => void }): JSX.Element {
  const { meeting } = props;
  const report = meeting.quality.value;
  return (
    <Dialog title="Your connection" onClose={props.onClose}>
      {report === null || meeting.room.value === null ? <p>It is being measured. That takes about ten seconds.</p> : <Measured report={report} room={meeting.room.value} />}
      <p class="hint">Measured by this browser, every five seconds. The hosts of this room see the same, and nobody else.</p>
    </Dialog>
  );
}

function Measured(props: { report: QualityReport; room: RoomView }): JSX.Element {
  const { report, room } = props;
  const verdict = verdictOf(report);
  const who = (participant: string) => room.participants.find((one) => one.participant === participant)?.name ?? "someone";
  return (
    <>
      <dl class="quality-facts">
        <div>
          <dt>All in all</dt>
          <dd>
            <Badge tone={VERDICT_TONE[verdict]}>{VERDICT_WORDS[verdict]}</Badge>
          </dd>
        </div>
        <Fact word="Way" value={wayWords(report.transport)} />
        <Fact word="Delay" value={delayWords(report.transport.round_trip_ms)} />
        <Fact word="Lost at most" value={lostWords(lostOf(report))} />
        {report.transport.estimate_kbps !== null && <Fact word="Your line carries out" value={rateWords(report.transport.estimate_kbps)} />}
      </dl>
      <Streams title="You send" lines={report.sent.map((line) => ({ what: line.layer === null ? SOURCE_WORDS[line.source] : `${SOURCE_WORDS[line.source]}, ${layerWords(line.layer)}`, words: sentWords(line) }))} />
      <Streams title="You receive" lines={report.received.map((line) => ({ what: `${SOURCE_WORDS[line.source]} of ${who(line.participant)}`, words: receivedWords(line) }))} />
    </>
  );
}

function Streams(props: { title: string; lines: readonly { what: string; words: string }[] }): JSX.Element {
  return (
    <section>
      <h3>{props.title}</h3>
      {props.lines.length === 0 ? (
        <p class="hint">Nothing at the moment.</p>
      ) : (
        <ul class="quality-streams">
          {props.lines.map((line) => (
            <li key={line.what}>
              <p class="quality-what">{line.what}</p>
              <p>{line.words}</p>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
