// What hosts may say about the speech of a room, while they write it: the words of a text, and what is wrong with them.

import type { SpeechView } from "@conclave/sdk";
import { languageName } from "../words/captions";

export const MOST_WORDS = 32;
export const MOST_LANGUAGES = 16;
const MOST_BYTES = 64;

/** Languages that recognisers and translators know, by their codes. */
export const LANGUAGES: readonly string[] =
  "af ar az be bg bn bs ca cs cy da de el en es et eu fa fi fr gl gu he hi hr hu hy id is it ja ka kk kn ko lt lv mk ml mr ms mt nb ne nl nn pa pl pt ro ru sk sl sq sr sv sw ta te th tl tr uk ur uz vi yue zh".split(" ");

/** Which languages a room is translated into: whatever there is, nothing, or those that were chosen. */
export type Into = "all" | "none" | "some";

export function intoOf(speech: Pick<SpeechView, "languages">): Into {
  if (speech.languages === null) return "all";
  return speech.languages.length === 0 ? "none" : "some";
}

/** One word or name a line, none twice. */
export function wordsOf(text: string): string[] {
  const lines = text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  return [...new Set(lines)];
}

/** What is wrong with them; undefined when nothing is. */
export function wordsTrouble(words: readonly string[]): string | undefined {
  const long = words.find((word) => new TextEncoder().encode(word).length > MOST_BYTES);
  if (long !== undefined) return `“${[...long].slice(0, 24).join("")}…” is too long: a line has at most ${MOST_BYTES} letters, fewer in some scripts.`;
  if (words.length > MOST_WORDS) return `These are ${words.length} lines. At most ${MOST_WORDS} help.`;
  return undefined;
}

/** Languages to choose from, by name; also one that is none of those. */
export function languageChoices(without: readonly string[], also: string | null = null): { value: string; label: string }[] {
  const codes = also === null || LANGUAGES.includes(also) ? LANGUAGES : [...LANGUAGES, also];
  return codes
    .filter((code) => !without.includes(code))
    .map((code) => ({ value: code, label: languageName(code) }))
    .sort((a, b) => a.label.localeCompare(b.label));
}
