// What happened, in plain words, for a short while. Notices that ask something of the person stay until they are answered.

import { signal } from "@preact/signals";

export interface NoticeAction {
  label: string;
  run: () => unknown;
}

export interface Notice {
  id: number;
  text: string;
  tone: "plain" | "warn" | "key";
  actions: NoticeAction[];
  /** A newer notice with the same topic takes the place of the older. */
  topic: string | null;
  /** Until it is answered, put away or no longer so. */
  stay: boolean;
}

export interface NoticeOptions {
  tone?: Notice["tone"];
  actions?: NoticeAction[];
  topic?: string;
  stay?: boolean;
}

const SHOWN_MS = 7_000;
const MOST = 4;

export class Notices {
  readonly list = signal<readonly Notice[]>([]);
  readonly #timers = new Map<number, ReturnType<typeof setTimeout>>();
  #last = 0;

  say(text: string, options: NoticeOptions = {}): void {
    const { tone = "plain", actions = [], topic = null, stay = actions.length > 0 } = options;
    if (topic !== null) this.withdraw(topic);
    this.#last += 1;
    const id = this.#last;
    const list = [...this.list.value, { id, text, tone, actions, topic, stay }];
    for (const old of list.slice(0, -MOST)) this.#forget(old.id);
    this.list.value = list.slice(-MOST);
    if (!stay) this.#timers.set(id, setTimeout(() => this.dismiss(id), SHOWN_MS));
  }

  dismiss(id: number): void {
    this.#forget(id);
    this.list.value = this.list.peek().filter((notice) => notice.id !== id);
  }

  /** What a topic said is no longer so. */
  withdraw(topic: string): void {
    for (const notice of this.list.peek()) if (notice.topic === topic) this.dismiss(notice.id);
  }

  /** Keeps a notice while it is being read; `release` lets it go again. */
  hold(id: number): void {
    this.#forget(id);
  }

  release(id: number): void {
    const notice = this.list.value.find((n) => n.id === id);
    if (notice === undefined || notice.stay || this.#timers.has(id)) return;
    this.#timers.set(id, setTimeout(() => this.dismiss(id), SHOWN_MS));
  }

  clear(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    this.list.value = [];
  }

  #forget(id: number): void {
    clearTimeout(this.#timers.get(id));
    this.#timers.delete(id);
  }
}
