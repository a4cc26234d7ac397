// What every admin page does with a call: shows what went wrong until the next one goes well.

import { useSignal, type Signal } from "@preact/signals";
import { textOf } from "../ui/failure";

export interface Attempts {
  trouble: Signal<string | null>;
  /** Whether it went well. */
  attempt(work: () => Promise<unknown>): Promise<boolean>;
}

export function useAttempts(): Attempts {
  const trouble = useSignal<string | null>(null);
  return {
    trouble,
    attempt: async (work) => {
      trouble.value = null;
      try {
        await work();
        return true;
      } catch (failure) {
        trouble.value = textOf(failure);
        return false;
      }
    },
  };
}
