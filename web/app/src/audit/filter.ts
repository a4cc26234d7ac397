// The filters of the audit page as the person sets them, and as the server is asked. Pure.

import type { AuditFilter } from "@conclave/sdk";

export interface Wanted {
  outcome: "" | "allowed" | "denied";
  action: string;
  actor: string;
  /** As a date field gives them: local days, empty for none. */
  from: string;
  until: string;
}

export const ALL: Wanted = { outcome: "", action: "", actor: "", from: "", until: "" };

export function asked(wanted: Wanted, room: string | undefined, before: number | undefined): AuditFilter {
  const filter: AuditFilter = {};
  if (room !== undefined) filter.room = room;
  if (before !== undefined) filter.before = before;
  if (wanted.outcome !== "") filter.outcome = wanted.outcome;
  if (wanted.action !== "") filter.action = wanted.action;
  if (wanted.actor.trim() !== "") filter.actor = wanted.actor.trim();
  const from = dayStart(wanted.from);
  if (from !== null) filter.from = from;
  const until = dayStart(wanted.until);
  // The last day is meant whole.
  if (until !== null) filter.until = until + 24 * 3_600_000;
  return filter;
}

function dayStart(day: string): number | null {
  const [year, month, date] = day.split("-").map(Number);
  if (year === undefined || month === undefined || date === undefined || [year, month, date].some(Number.isNaN)) return null;
  return new Date(year, month - 1, date).getTime();
}
