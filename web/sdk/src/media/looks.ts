// What the page shows of others, told to the server as one `view` when it has settled: what is not shown is not sent.

import type { Look } from "../generated/Look";
import type { Receive } from "../generated/Receive";
import type { Source } from "../generated/Source";
import type { Height } from "./encodings";
import { VIDEO_SLOTS } from "./transport";

const SETTLE_MS = 120;
const LARGEST = 8192;

/** What is said of what is shown. */
export interface View {
  looks: Look[];
  receive?: Receive;
}

export interface Size {
  width: number;
  height: number;
}

export class Looks {
  readonly #shown = new Map<string, Look>();
  readonly #send: (view: View) => void;
  #most: Height | null = null;
  #hidden = false;
  #sent = "";
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(send: (view: View) => void) {
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

  /** No picture higher than this is wanted, however large it is shown. */
  setMost(most: Height | null): void {
    this.#most = most;
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
  current(): View {
    const looks = this.#hidden ? [] : [...this.#shown.values()].sort(importance).slice(0, VIDEO_SLOTS);
    return this.#most === null ? { looks } : { looks, receive: { max_height: this.#most } };
  }

  #settle(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      const view = this.current();
      const text = JSON.stringify(view);
      if (text === this.#sent) return;
      this.#sent = text;
      this.#send(view);
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
