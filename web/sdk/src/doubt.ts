// Whether a knock still stands. Nothing may be sent while waiting, so that cannot be asked; and giving the connection up to make
// sure would give the place in the queue away. So another knock is made beside the first: the server takes it only when the first
// is gone, and says otherwise that this person is here already.

import type { Socket } from "./socket";

/** The server holds a silent connection for 15 s; until then it may take a returning knock for a second one. */
export const GHOST_MS = 25_000;
/** How long each of these knocks has for its answer. */
const TRY_MS = 8_000;
/** Each comes up to so much later, by chance: many who lost the same line or server at once do not knock at once. */
const SPREAD_MS = 2_000;
/** So many more are made where the last was not answered: a server that many ask at once turns some away, as if it were not there. */
const MORE = 2;

export class Doubt {
  readonly #knock: () => Socket;
  readonly #gone: () => void;
  readonly #random: () => number;
  #socket: Socket | null = null;
  #stands = false;
  #next: ReturnType<typeof setTimeout> | undefined;

  /** `knock` opens another connection; `gone` is called when nothing was answered on the last of them. */
  constructor(knock: () => Socket, gone: () => void, random: () => number = Math.random) {
    this.#knock = knock;
    this.#gone = gone;
    this.#random = random;
  }

  /** Knocks until the first knock cannot be a ghost any more. */
  begin(): void {
    this.end();
    const since = Date.now();
    let more = MORE;
    const round = () => {
      this.end();
      const late = Date.now() - since >= GHOST_MS;
      if (late && this.#stands) return;
      if (late && more === 0) return this.#gone();
      if (late) more -= 1;
      this.#stands = false;
      this.#socket = this.#knock();
      this.#next = setTimeout(round, TRY_MS + this.#later());
    };
    this.#next = setTimeout(round, this.#later());
  }

  /** Whether this is the connection of the knock beside the first. */
  has(socket: Socket): boolean {
    return this.#socket === socket;
  }

  /** The server has the first knock still. */
  stands(): void {
    this.#stands = true;
  }

  /** The connection is the only one from now on. */
  release(): void {
    this.#socket = null;
  }

  end(): void {
    clearTimeout(this.#next);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  #later(): number {
    return this.#random() * SPREAD_MS;
  }
}
