// Captions over the picture: a block for each who speaks, with name and colour, rolling up line by line. Words are only added; the
// tail that may still change is dimmed, and moves nothing that stands before it. For those who listen, finished captions in a log.

import { readOf, textOf, type CaptionLine, type CaptionChoice, type RoomView, type Said } from "@conclave/sdk";
import type { JSX } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import type { Meeting } from "../meeting/model";
import { roughWords, SOMEONE } from "../words/captions";
import { aloud, ground, lines, over, place, size } from "./look";

export function CaptionsOver(props: { meeting: Meeting; room: RoomView }): JSX.Element | null {
  const { meeting, room } = props;
  const choice = room.caption_choice;
  if (choice.language === null || over.value.value === "off") return null;
  const blocks = meeting.captions.shown.value;
  const engine = blocks.flat().findLast((line) => line.translation !== null && readOf(line, choice).main === line.translation)?.translation?.engine;
  return (
    <div class={lookClasses(place.value.value)} role="group" aria-label="Captions over the picture" data-lines={lines.value.value}>
      {blocks.map((block) => (
        <Block key={`${block[0]?.speaker ?? ""}.${size.value.value}`} meeting={meeting} block={block} choice={choice} />
      ))}
      {engine !== null && engine !== undefined && <p class="caption-engine">{roughWords(engine)}</p>}
    </div>
  );
}

export function lookClasses(where: string): string {
  return `captions captions-at-${where} captions-${size.value.value} captions-on-${ground.value.value} captions-lines-${lines.value.value}`;
}

function Block(props: { meeting: Meeting; block: readonly CaptionLine[]; choice: CaptionChoice }): JSX.Element | null {
  const { meeting, block, choice } = props;
  const first = block[0];
  const read = block.map((line) => ({ cue: line.cue, ...readOf(line, choice) }));
  const beside = read.filter((one) => one.beside !== null);
  // No plate with a name over nothing.
  if (read.every((one) => [one.main, one.beside].every((said) => said === null || textOf(said) === ""))) return null;
  return (
    <div class="caption" data-speaker={first?.speaker}>
      <p class={`caption-name voice-${meeting.captions.colourOf(first?.speaker ?? "")}`}>
        <bdi>{block.at(-1)?.name || SOMEONE}</bdi>
      </p>
      <div class="caption-words">{read.map(({ cue, main }) => main !== null && <Words key={cue} said={main} />)}</div>
      {beside.length > 0 && (
        <div class="caption-beside">
          <div class="caption-words">{beside.map(({ cue, beside: said }) => said !== null && <Words key={cue} said={said} />)}</div>
        </div>
      )}
    </div>
  );
}

/** A tail that becomes shorter leaves its place empty: what stands above it is not moved down again. */
function Words(props: { said: Said }): JSX.Element {
  const { said } = props;
  const place = useRef<HTMLParagraphElement>(null);
  const held = useRef({ width: 0, height: 0 });
  useLayoutEffect(() => {
    const element = place.current;
    if (element === null) return;
    const { offsetWidth: width, offsetHeight: height } = element;
    if (width !== held.current.width) {
      element.style.minHeight = "";
      held.current = { width, height: element.offsetHeight };
    } else if (height > held.current.height) {
      held.current.height = height;
      element.style.minHeight = `${height}px`;
    }
  });
  return (
    <p ref={place} dir="auto" lang={said.language}>
      {said.committed}
      {said.tentative !== "" && <span class="caption-tail">{said.tentative}</span>}
    </p>
  );
}

/** So many finished captions stand in the log that is read aloud; one that was read is not read again. */
const ALOUD = 12;

export function CaptionsAloud(props: { meeting: Meeting; room: RoomView }): JSX.Element | null {
  const { meeting, room } = props;
  const choice = room.caption_choice;
  if (choice.language === null || aloud.value.value === "off") return null;
  const finished = meeting.captions.store.value.lines
    .slice(-4 * ALOUD)
    .map((line) => ({ line, main: readOf(line, choice).main }))
    .filter(({ main }) => main?.final === true && main.committed !== "")
    .slice(-ALOUD);
  return (
    <div class="unseen" role="log" aria-live="polite" aria-relevant="additions" aria-label="Captions, read aloud">
      {finished.map(({ line, main }) => (
        <p key={line.cue} lang={main?.language}>
          <bdi>{line.name || SOMEONE}</bdi>: <bdi>{main?.committed}</bdi>
        </p>
      ))}
    </div>
  );
}
