// A story is told in steps that build on each other: after one that failed the rest is skipped, and what each person saw then
// is kept as a picture.

import { test } from "node:test";
import type { Seat } from "./browser.js";

export type Step = (name: string, act: () => Promise<void>) => void;

export function story(seats: () => Readonly<Record<string, Seat | undefined>>): Step {
  let failed = false;
  return (name, act) => {
    test(name, async (context) => {
      if (failed) {
        context.skip("an earlier step failed");
        return;
      }
      try {
        await act();
      } catch (failure) {
        failed = true;
        for (const [who, seat] of Object.entries(seats())) await seat?.shoot(`failed-${who}`).catch(() => undefined);
        throw failure;
      }
    });
  };
}
