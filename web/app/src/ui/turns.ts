// Of several loads only what the last one brings is shown: an earlier one that comes late brings nothing, and fails in silence.

import { signal } from "@preact/signals";
import { useMemo } from "preact/hooks";

/** `shown`: what is on the page is what was asked for last. */
type Standing = "asked" | "shown" | "failed";

export class Turns {
  /** Where what is shown goes on is known only while it is what was asked for last. */
  readonly standing = signal<Standing>("shown");
  #last = 0;

  /** What it brings, or null when another was begun meanwhile. */
  async begin<Answer>(load: Promise<Answer>): Promise<Answer | null> {
    this.#last += 1;
    this.standing.value = "asked";
    return this.#turn(load, "shown", "failed");
  }

  /** The same for what belongs to what is shown, as its next page does; null also when that is not what was asked for last. */
  async join<Answer>(load: () => Promise<Answer>): Promise<Answer | null> {
    return this.standing.peek() === "shown" ? this.#turn(load(), "shown", "shown") : null;
  }

  /** Nothing is waited for any more. */
  end(): void {
    this.#last += 1;
    this.standing.value = "shown";
  }

  async #turn<Answer>(load: Promise<Answer>, then: Standing, otherwise: Standing): Promise<Answer | null> {
    const turn = this.#last;
    try {
      const answer = await load;
      if (turn !== this.#last) return null;
      this.standing.value = then;
      return answer;
    } catch (failure) {
      if (turn !== this.#last) return null;
      this.standing.value = otherwise;
      throw failure;
    }
  }
}

export function useTurns(): Turns {
  return useMemo(() => new Turns(), []);
}
