// Those who wait beyond what the room tells by itself. They are read from the first on, in the server's order, which is that of
// arrival: where the next page begins is not what the host sees last, nor what the room told last.

import { CallFailed, type KnockView, type LobbyPage, type RoomEvent } from "@conclave/sdk";
import { signal } from "@preact/signals";

/** The server gives so many at once. */
export const FETCHED = 200;

export class Later {
  /** What was read and still waits, in the server's order. */
  readonly knocks = signal<readonly KnockView[]>([]);
  readonly #page: (after: string | undefined) => Promise<LobbyPage>;

  constructor(page: (after: string | undefined) => Promise<LobbyPage>) {
    this.#page = page;
  }

  take(event: RoomEvent): void {
    if (event.type === "knock_gone") this.knocks.value = this.knocks.value.filter((knock) => knock.knock !== event.knock);
    // Many went at once, and nobody is told which.
    else if (event.type === "lobby") this.clear();
  }

  /** What was read may no longer be so. */
  clear(): void {
    this.knocks.value = [];
  }

  /** Reads on until someone comes who is not yet known; false when there is nobody more. */
  async more(known: ReadonlySet<string>): Promise<boolean> {
    for (;;) {
      const after = this.#end();
      const page = await this.#after(after);
      // The line that this page follows went meanwhile: what is between would be missed.
      if (page === null || this.#end() !== after) continue;
      this.knocks.value = [...this.knocks.value, ...page.knocks];
      if (page.knocks.some((knock) => !known.has(knock.knock))) return true;
      if (page.knocks.length < FETCHED) return false;
    }
  }

  /** Null when the line to go on from is gone: then it begins anew. */
  async #after(line: string | undefined): Promise<LobbyPage | null> {
    try {
      return await this.#page(line);
    } catch (failure) {
      if (line === undefined || !(failure instanceof CallFailed) || failure.code !== "not_found") throw failure;
      this.clear();
      return null;
    }
  }

  #end(): string | undefined {
    return this.knocks.value.at(-1)?.knock;
  }
}
