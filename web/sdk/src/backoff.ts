// How long to wait before the next attempt: doubling with jitter, so that a restarted server is not met by everyone at once.

const FIRST_MS = 400;
const LONGEST_MS = 10_000;

export class Backoff {
  #attempts = 0;
  readonly #random: () => number;

  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  get attempts(): number {
    return this.#attempts;
  }

  /** The next delay in milliseconds, between half and all of the doubled step. */
  next(): number {
    const step = Math.min(LONGEST_MS, FIRST_MS * 2 ** this.#attempts);
    this.#attempts += 1;
    return step * (0.5 + this.#random() / 2);
  }

  reset(): void {
    this.#attempts = 0;
  }
}
