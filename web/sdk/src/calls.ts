// Requests on their way: each gets a number, and its promise is settled by the reply, by a deadline or by the loss of the
// connection. At most `MOST` are open at once; more means that the caller runs wild.

import { CallFailed, CONNECTION_LOST, TIMED_OUT } from "./failure";
import type { Done } from "./generated/Done";
import type { Outcome } from "./generated/Outcome";

const MOST = 64;
const ID_LIMIT = 2 ** 32;

interface Open {
  resolve(done: Done): void;
  reject(failure: CallFailed): void;
  timer: ReturnType<typeof setTimeout>;
}

export class Calls {
  readonly #open = new Map<number, Open>();
  #last = 0;

  /** A number that no open call has; also for first frames, whose answer is no reply. */
  nextId(): number {
    do this.#last = (this.#last + 1) % ID_LIMIT;
    while (this.#open.has(this.#last));
    return this.#last;
  }

  /** Sends through `send` and promises the answer. */
  call(send: (id: number) => void, timeoutMs: number): Promise<Done> {
    if (this.#open.size >= MOST) {
      return Promise.reject(new CallFailed("rate_limited", "Too much at once. Wait a moment and try again."));
    }
    const id = this.nextId();
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#open.delete(id);
        reject(new CallFailed("timeout", TIMED_OUT));
      }, timeoutMs);
      this.#open.set(id, { resolve, reject, timer });
      send(id);
    });
  }

  settle(id: number, outcome: Outcome): void {
    const open = this.#open.get(id);
    if (open === undefined) return;
    this.#open.delete(id);
    clearTimeout(open.timer);
    if ("ok" in outcome) open.resolve(outcome.ok);
    else open.reject(new CallFailed(outcome.error.code, outcome.error.text));
  }

  /** The connection is gone; no open call will be answered. */
  abandon(): void {
    for (const open of this.#open.values()) {
      clearTimeout(open.timer);
      open.reject(new CallFailed("unreachable", CONNECTION_LOST));
    }
    this.#open.clear();
  }
}
