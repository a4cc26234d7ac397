// The captions of one meeting for the page: what is shown now and when it is cleared, what the person reads, and whether what they
// say may be turned into text.

import { clearsAt, current, type CaptionChoice, type CaptionLine, type Captions as Store, type Conclave, type State } from "@conclave/sdk";
import { computed, signal } from "@preact/signals";
import { keepChoice, keptChoice } from "./look";

/** So many speakers are shown over the picture at once. */
const BLOCKS = 2;

export class Captions {
  readonly store = signal<Store>({ lines: [], speakers: [], refused: 0 });
  /** Those who speak now, each with what they said last. */
  readonly shown = computed<CaptionLine[][]>(() => current(this.store.value, this.#now.value, BLOCKS));
  readonly #client: Conclave;
  readonly #now = signal(0);
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** In which stay the kept choice was made known; a host may send somebody out and in again. */
  #asked = false;

  constructor(client: Conclave) {
    this.#client = client;
    this.take(client.captions);
  }

  take(store: Store): void {
    this.store.value = store;
    this.#tick();
  }

  /** Whoever read captions the last time reads them again. A refusal leaves them without. */
  follow(state: State): void {
    if (state.phase !== "admitted") {
      this.#asked = false;
      return;
    }
    if (this.#asked || state.link !== "up") return;
    this.#asked = true;
    const wanted = keptChoice();
    const { caption_choice: held } = state.room;
    if (wanted.language === held.language && wanted.original === held.original) return;
    // What the server holds was chosen in this meeting; nothing is how everyone begins.
    if (held.language !== null) keepChoice(held);
    else if (wanted.language !== null) this.#client.readCaptions(wanted).catch(() => undefined);
  }

  async read(choice: CaptionChoice): Promise<void> {
    await this.#client.readCaptions(choice);
    keepChoice(choice);
  }

  colourOf(speaker: string): number {
    return Math.max(0, this.store.value.speakers.indexOf(speaker)) % COLOURS;
  }

  dispose(): void {
    clearTimeout(this.#timer);
  }

  #tick(): void {
    clearTimeout(this.#timer);
    const now = Date.now();
    this.#now.value = now;
    const next = clearsAt(this.store.peek(), now);
    if (next !== null) this.#timer = setTimeout(() => this.#tick(), Math.max(1, next - now));
  }
}

/** So many colours there are for names; more people than that share them, and are told apart by the name. */
export const COLOURS = 6;
