// What the stories measure, printed one to a line: `figure NAME VALUE UNIT`.

import type { StatsLine } from "./probe.js";

export function figure(name: string, value: number, unit: string): void {
  console.log(`figure ${name} ${Number.isInteger(value) ? value : value.toPrecision(3)} ${unit}`);
}

export interface Counted {
  received: number;
  forwarded: number;
  dropped: number;
}

/** The counters of some sources of one person, together. */
export function counted(lines: readonly StatsLine[], participant: string, sources: readonly string[]): Counted {
  const sum: Counted = { received: 0, forwarded: 0, dropped: 0 };
  for (const line of lines) {
    if (line.participant !== participant || !sources.includes(line.source)) continue;
    sum.received += line.received;
    sum.forwarded += line.forwarded;
    sum.dropped += line.dropped;
  }
  return sum;
}
