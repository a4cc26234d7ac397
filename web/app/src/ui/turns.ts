// Of several loads only what the last one brings is shown: an earlier one that comes late brings nothing, and fails in silence.

export class Turns {
  #last = 0;

  /** What it brings, or null when another was begun meanwhile. */
  begin<Answer>(load: Promise<Answer>): Promise<Answer | null> {
    this.#last += 1;
    return this.join(load);
  }

  /** The same for what belongs to the load before, as its next page does. */
  async join<Answer>(load: Promise<Answer>): Promise<Answer | null> {
    const turn = this.#last;
    try {
      const answer = await load;
      return turn === this.#last ? answer : null;
    } catch (failure) {
      if (turn === this.#last) throw failure;
      return null;
    }
  }
}
