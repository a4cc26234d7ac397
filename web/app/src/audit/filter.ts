// The filters of the audit page as the person sets them, and as the server is asked. Pure.

import type { AuditFilter, AuditVerdict } from "@conclave/sdk";

/** Someone or something in a row that the person chose to see more of. */
export interface Chosen {
  id: string;
  words: string;
}

export interface Wanted {
  verdict: AuditVerdict | "";
  action: string;
  actor: Chosen | null;
  /** Only where all rooms are shown. */
  room: Chosen | null;
  /** Days as a date field has them, in the person's own time zone; both are shown whole. */
  from: string;
  to: string;
}

export const ALL: Wanted = { verdict: "", action: "", actor: null, room: null, from: "", to: "" };

/** `before` is where the page begins; without it the newest. */
export function asked(wanted: Wanted, before: number | undefined): AuditFilter {
  const filter: AuditFilter = {};
  if (before !== undefined) filter.before = before;
  if (wanted.verdict !== "") filter.verdict = wanted.verdict;
  if (wanted.action !== "") filter.action = wanted.action;
  if (wanted.actor !== null) filter.actor = wanted.actor.id;
  if (wanted.room !== null) filter.room = wanted.room.id;
  const from = dayBegins(wanted.from, 0);
  const to = dayBegins(wanted.to, 1);
  if (from !== null) filter.from = from;
  if (to !== null) filter.to = to;
  return filter;
}

/** When a day begins, or so many days later; null for what is no day. */
function dayBegins(day: string, later: number): number | null {
  const parts = /^(\d{4})-(\d{2})-(\d{2})$/.exec(day);
  if (parts === null) return null;
  return new Date(Number(parts[1]), Number(parts[2]) - 1, Number(parts[3]) + later).getTime();
}

export function isVerdict(text: string): text is AuditVerdict {
  return text === "permitted" || text === "denied" || text === "noted";
}
