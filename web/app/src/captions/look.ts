// How one person reads captions: in which language, how large, on what, where. Chosen by the person, kept on this device.

import type { CaptionChoice } from "@conclave/sdk";
import { signal, type Signal } from "@preact/signals";
import { stored } from "../kept";

const PREFIX = "conclave.captions.";
const LANGUAGE = `${PREFIX}language`;
const BESIDE = `${PREFIX}original`;
/** As the protocol has it: `original`, or a language by its code. */
const CODE = /^[A-Za-z][A-Za-z0-9-]{1,15}$/u;

export const SIZES = ["small", "medium", "large", "huge"] as const;
export const GROUNDS = ["shade", "black", "white"] as const;
export const LINES = ["1", "2", "3", "4"] as const;
export const PLACES = ["bottom", "top"] as const;

export const size = kept("size", SIZES, "medium");
export const ground = kept("ground", GROUNDS, "shade");
export const lines = kept("lines", LINES, "2");
export const place = kept("place", PLACES, "bottom");
/** Over the picture, or in the panel alone. */
export const over = kept("over", ["on", "off"], "on");
/** Finished captions are given to a screen reader. Off: a meeting is heard already, and a voice over it hinders. */
export const aloud = kept("aloud", ["off", "on"], "off");

export interface Kept<Value extends string> {
  readonly value: Signal<Value>;
  /** What is none of its values changes nothing. */
  set(wanted: string): void;
}

/** What was read last on this device. */
export function keptChoice(storage: Pick<Storage, "getItem"> = stored): CaptionChoice {
  const language = storage.getItem(LANGUAGE);
  return { language: language !== null && CODE.test(language) ? language : null, original: storage.getItem(BESIDE) === "on" };
}

export function keepChoice(choice: CaptionChoice): void {
  if (choice.language === null) stored.removeItem(LANGUAGE);
  else stored.setItem(LANGUAGE, choice.language);
  stored.setItem(BESIDE, choice.original ? "on" : "off");
}

function kept<Value extends string>(name: string, values: readonly Value[], usual: Value): Kept<Value> {
  const of = (text: string | null) => values.find((one) => one === text);
  const value = signal<Value>(of(stored.getItem(PREFIX + name)) ?? usual);
  return {
    value,
    set: (wanted) => {
      const known = of(wanted);
      if (known === undefined) return;
      value.value = known;
      stored.setItem(PREFIX + name, known);
    },
  };
}
