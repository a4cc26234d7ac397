// The chat of one meeting for the page: the log as a signal, pages on demand, and sending that can be repeated without writing twice.

import type { ChatView, Conclave } from "@conclave/sdk";
import { signal } from "@preact/signals";
import { textOf } from "../ui/failure";
import { Turns } from "../ui/turns";
import { allRead, deleted, EMPTY, received, withPage, type Log } from "./log";

const PAGE = 50;

/** What was written and is not acknowledged. */
export interface Draft {
  ref: string;
  text: string;
  trouble: string | null;
}

export class Chat {
  readonly log = signal<Log>(EMPTY);
  readonly unsent = signal<readonly Draft[]>([]);
  /** What a search found; null while none is shown. */
  readonly found = signal<{ words: string; messages: readonly ChatView[] } | null>(null);
  readonly trouble = signal<string | null>(null);
  readonly #client: Conclave;
  readonly #seen: () => boolean;
  readonly #searches = new Turns();
  #reading: Promise<void> | undefined;

  /** `seen` says whether the person looks at the chat now. */
  constructor(client: Conclave, seen: () => boolean) {
    this.#client = client;
    this.#seen = seen;
  }

  take(message: ChatView): void {
    this.log.value = received(this.log.value, message, this.#seen());
  }

  takeBack(number: number): void {
    this.log.value = deleted(this.log.value, number);
    const found = this.found.value;
    if (found !== null) this.found.value = { ...found, messages: found.messages.filter((message) => message.number !== number) };
  }

  /** The chat was opened: everything is read, and the first page is fetched. */
  read(): void {
    this.log.value = allRead(this.log.peek());
    if (this.log.peek().next === undefined) void this.older();
  }

  /** Messages were missed for good: the first page is fetched again, also unseen, so that the new ones count as unread. */
  async anew(): Promise<void> {
    const { messages, unread } = this.log.peek();
    const last = messages.at(-1)?.number ?? 0;
    this.log.value = { ...EMPTY, unread };
    this.endSearch();
    await this.older();
    const log = this.log.peek();
    if (!this.#seen()) this.log.value = { ...log, unread: unread + log.messages.filter((message) => message.number > last).length };
  }

  /** One page at a time. */
  older(): Promise<void> {
    this.#reading ??= this.#attempt(async () => {
      const log = this.log.peek();
      const page = await this.#client.chatHistory(log.next ?? undefined, PAGE);
      this.log.value = withPage(this.log.peek(), page);
    }).finally(() => (this.#reading = undefined));
    return this.#reading;
  }

  async search(words: string): Promise<void> {
    await this.#attempt(async () => {
      const page = await this.#searches.begin(this.#client.chatSearch(words));
      if (page !== null) this.found.value = { words, messages: page.messages };
    });
  }

  /** What was found, or is still looked for, is not wanted any more. */
  endSearch(): void {
    this.#searches.end();
    this.found.value = null;
  }

  send(text: string): Promise<void> {
    return this.#send({ ref: crypto.randomUUID(), text, trouble: null });
  }

  /** Again, under the same number of the caller's: the server writes it once. */
  async again(draft: Draft): Promise<void> {
    await this.#send(draft);
  }

  forget(draft: Draft): void {
    this.unsent.value = this.unsent.value.filter((other) => other.ref !== draft.ref);
  }

  async remove(number: number): Promise<void> {
    await this.#attempt(() => this.#client.deleteChat(number));
  }

  clear(): void {
    this.log.value = EMPTY;
    this.#reading = undefined;
    this.unsent.value = [];
    this.endSearch();
    this.trouble.value = null;
  }

  async #send(draft: Draft): Promise<void> {
    this.#put({ ...draft, trouble: null });
    try {
      await this.#client.sendChat(draft.text, draft.ref);
      this.forget(draft);
    } catch (failure) {
      this.#put({ ...draft, trouble: textOf(failure) });
    }
  }

  #put(draft: Draft): void {
    const at = this.unsent.value.findIndex((other) => other.ref === draft.ref);
    this.unsent.value = at < 0 ? [...this.unsent.value, draft] : this.unsent.value.with(at, draft);
  }

  async #attempt(work: () => Promise<unknown>): Promise<void> {
    this.trouble.value = null;
    try {
      await work();
    } catch (failure) {
      this.trouble.value = textOf(failure);
    }
  }
}
