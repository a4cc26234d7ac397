// The captions that came, as lines that can be read: what is committed only grows, what is late or breaks that is counted and left
// out, what is old goes. Pure: a new value each time, the time is handed in. Text is text here and everywhere after it.

import type { CueView } from "./generated/CueView";

/** How far back one can scroll. */
export const LINES_KEPT = 2_000;
/** So many speakers have a name and a colour of their own; a room has no more people. */
export const SPEAKERS_KEPT = 2_000;
/** A caption stays over the picture for so long after its last word. */
export const CLEARED_MS = 4_000;

/** What was said, in one language. */
export interface Said {
  readonly language: string;
  /** What translated it; null for the words that were spoken. */
  readonly engine: string | null;
  readonly revision: number;
  /** The words that stay. */
  readonly committed: string;
  /** Words after them that may still change. */
  readonly tentative: string;
  readonly final: boolean;
}

/** One cue with its translations: what one person said in one go. */
export interface CaptionLine {
  readonly cue: number;
  readonly speaker: string;
  /** As the roster had it while it was spoken; empty if it never did. */
  readonly name: string;
  /** When it was spoken, milliseconds since the epoch, by the clock of the server. */
  readonly from: number;
  readonly to: number;
  /** When it came here first, and when it last had another word, by the clock of this device. */
  readonly came: number;
  readonly grew: number;
  readonly original: Said | null;
  /** The latest that came, when the viewer changed languages in the middle. */
  readonly translation: Said | null;
}

export interface Captions {
  /** In the order in which they began to arrive, so that nothing is put before what is read already. */
  readonly lines: readonly CaptionLine[];
  /** Who spoke, in the order in which they first did: the place is the colour. */
  readonly speakers: readonly string[];
  /** Revisions that would have taken back what was committed, and were left out. */
  readonly refused: number;
}

export const NO_CAPTIONS: Captions = { lines: [], speakers: [], refused: 0 };

/** One more revision. `name` is what the roster calls the speaker now; a cue cannot name anybody. */
export function withCue(captions: Captions, cue: CueView, name: string | undefined, now: number): Captions {
  // Times that are none would break whatever shows them.
  if (!isTime(cue.t0) || !isTime(cue.t1)) return { ...captions, refused: captions.refused + 1 };
  const at = captions.lines.findLastIndex((line) => line.cue === cue.cue);
  const line = captions.lines[at];
  // A cue is one person's: another's words under its number are nobody's.
  if (line !== undefined && line.speaker !== cue.speaker) return { ...captions, refused: captions.refused + 1 };
  const before = line === undefined ? null : heldOf(line, cue);
  if (before !== null && (before.final || cue.revision <= before.revision)) return captions;
  const said: Said = {
    language: cue.language,
    engine: cue.original ? null : (cue.engine ?? ""),
    revision: cue.revision,
    committed: inert(cue.committed),
    tentative: cue.final ? "" : inert(cue.tentative),
    final: cue.final,
  };
  if (before !== null && cue.original && !said.committed.startsWith(before.committed)) return { ...captions, refused: captions.refused + 1 };
  // Words that are taken away are no words.
  const grew = before === null || !textOf(before).startsWith(textOf(said));
  const next: CaptionLine = {
    cue: cue.cue,
    speaker: cue.speaker,
    name: inert(name ?? line?.name ?? lastNameOf(captions, cue.speaker)),
    from: Math.min(line?.from ?? cue.t0, cue.t0),
    to: Math.max(line?.to ?? cue.t1, cue.t1),
    came: line?.came ?? now,
    grew: grew ? now : (line?.grew ?? now),
    original: cue.original ? said : (line?.original ?? null),
    translation: cue.original ? (line?.translation ?? null) : said,
  };
  return {
    ...captions,
    lines: line === undefined ? [...captions.lines, next].slice(-LINES_KEPT) : captions.lines.with(at, next),
    speakers: captions.speakers.includes(cue.speaker) ? captions.speakers : [...captions.speakers, cue.speaker].slice(0, SPEAKERS_KEPT),
  };
}

/** Those who speak now, each with the lines that have not been cleared: all of them go 4 s after the speaker's last word. */
export function current(captions: Captions, now: number, most: number): CaptionLine[][] {
  const blocks = new Map<string, CaptionLine[]>();
  for (const line of captions.lines.slice(-CURRENT_LOOK)) {
    if (!hasWords(line)) continue;
    const block = blocks.get(line.speaker);
    const last = block?.at(-1);
    // What was cleared by a pause does not come back with the next words.
    if (block === undefined || last === undefined || line.came - last.grew > CLEARED_MS) blocks.set(line.speaker, [line]);
    else block.push(line);
  }
  return [...blocks.values()]
    .filter((block) => now - grewOf(block) < CLEARED_MS)
    .sort((a, b) => grewOf(b) - grewOf(a))
    .slice(0, most)
    .sort((a, b) => (a[0]?.came ?? 0) - (b[0]?.came ?? 0) || (a[0]?.cue ?? 0) - (b[0]?.cue ?? 0));
}

/** When the next of them has to be cleared; null while nothing is shown. */
export function clearsAt(captions: Captions, now: number): number | null {
  const shown = current(captions, now, Number.POSITIVE_INFINITY);
  return shown.length === 0 ? null : Math.min(...shown.map((block) => grewOf(block) + CLEARED_MS));
}

/**
 * The words that a viewer of `language` reads, and those beside them. What was spoken keeps its place beside while its translation has
 * not come: words that are being read do not move. A translation that ended without a word could not be made: then the original counts.
 */
export function readOf(line: CaptionLine, choice: { language: string | null; original: boolean }): { main: Said | null; beside: Said | null } {
  const { original, translation } = line;
  if (translation?.final === true && textOf(translation) === "") return { main: original, beside: null };
  if (choice.language === "original" || original?.language === choice.language) return { main: original ?? translation, beside: null };
  if (choice.original && choice.language !== null) return { main: translation, beside: original };
  return { main: translation ?? original, beside: null };
}

export function textOf(said: Said): string {
  return said.committed + said.tentative;
}

/** The latest moment that a date can be, in milliseconds. */
const LAST_TIME = 8.64e15;

function isTime(at: number): boolean {
  return Number.isSafeInteger(at) && Math.abs(at) <= LAST_TIME;
}

function hasWords(line: CaptionLine): boolean {
  return [line.original, line.translation].some((said) => said !== null && textOf(said).trim() !== "");
}

/** More lines than are spoken within the time in which any of them is still shown. */
const CURRENT_LOOK = 64;

function grewOf(block: readonly CaptionLine[]): number {
  return Math.max(...block.map((line) => line.grew));
}

/** What is held of the same cue in the same language. */
function heldOf(line: CaptionLine, cue: CueView): Said | null {
  if (cue.original) return line.original;
  return line.translation?.language === cue.language ? line.translation : null;
}

/** Who has left keeps the name that they had. */
function lastNameOf(captions: Captions, speaker: string): string {
  return captions.lines.findLast((line) => line.speaker === speaker)?.name ?? "";
}

/** Without control characters and those that turn the direction of what stands around them. Character by character, so that what grew still has. */
function inert(text: string): string {
  return text.replace(/[\p{Cc}\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu, (mark) => (/\s/u.test(mark) ? " " : ""));
}
