// What the page shows of others, told to the server as one `view` when it has settled: what is not shown is not sent.

import type { Look } from "../generated/Look";
import type { Source } from "../generated/Source";
import { VIDEO_SLOTS } from "./transport";

const SETTLE_MS = 120;
const LARGEST = 8192;

export interface Size {
  width: number;
  height: number;
}

export class Looks {
  readonly #shown = new Map<string, Look>();
  readonly #send: (looks: Look[]) => void;
  #hidden = false;
  #sent = "";
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(send: (looks: Look[]) => void) {
    this.#send = send;
  }

  /** A picture is shown at this size (device pixels), or no longer. */
  set(participant: string, source: Source, size: Size | null): void {
    const key = `${participant}/${source}`;
    if (size === null || size.width < 1 || size.height < 1) this.#shown.delete(key);
    else this.#shown.set(key, { participant, source, width: pixels(size.width), height: pixels(size.height) });
    this.#settle();
  }

  /** Nothing is looked at while the page itself is hidden. */
  setHidden(hidden: boolean): void {
    this.#hidden = hidden;
    this.#settle();
  }

  /** A new transport knows nothing yet: say everything again. */
  repeat(): void {
    this.#sent = "";
    this.#settle();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** The looks as they stand, the most important first: screens, then by area. */
  current(): Look[] {
    if (this.#hidden) return [];
    return [...this.#shown.values()].sort(importance).slice(0, VIDEO_SLOTS);
  }

  #settle(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      const looks = this.current();
      const text = JSON.stringify(looks);
      if (text === this.#sent) return;
      this.#sent = text;
      this.#send(looks);
    }, SETTLE_MS);
  }
}

function importance(a: Look, b: Look): number {
  const screens = Number(b.source === "screen") - Number(a.source === "screen");
  return screens !== 0 ? screens : b.width * b.height - a.width * a.height;
}

function pixels(value: number): number {
  return Math.min(LARGEST, Math.round(value));
}
