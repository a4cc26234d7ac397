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
}

export const ALL: Wanted = { verdict: "", action: "", actor: null, room: null };

/** `before` is where the page begins; without it the newest. */
export function asked(wanted: Wanted, before: number | undefined): AuditFilter {
  const filter: AuditFilter = {};
  if (before !== undefined) filter.before = before;
  if (wanted.verdict !== "") filter.verdict = wanted.verdict;
  if (wanted.action !== "") filter.action = wanted.action;
  if (wanted.actor !== null) filter.actor = wanted.actor.id;
  if (wanted.room !== null) filter.room = wanted.room.id;
  return filter;
}

export function isVerdict(text: string): text is AuditVerdict {
  return text === "permitted" || text === "denied" || text === "noted";
}
