// Those who wait, as a host works through them: pages, the suspected apart, and a selection that never admits a name which the
// host has not seen. Pure.

import type { KnockView } from "@conclave/sdk";

export const PAGE = 50;

/** Knock to the version that the host saw when choosing it. */
export type Selection = ReadonlyMap<string, number>;

/** Unsuspected first, each part in the order of arrival. */
export function inOrder(knocks: readonly KnockView[]): KnockView[] {
  return [...knocks].sort((a, b) => Number(a.suspected) - Number(b.suspected) || a.since - b.since);
}

/** The newer line of a knock takes the place of the older; lines of a later page come after. */
export function merged(head: readonly KnockView[], later: readonly KnockView[]): KnockView[] {
  const known = new Set(head.map((knock) => knock.knock));
  return [...head, ...later.filter((knock) => !known.has(knock.knock))];
}

export interface Page {
  shown: KnockView[];
  /** From 0; never past the last. */
  at: number;
  pages: number;
}

export function pageOf(knocks: readonly KnockView[], at: number): Page {
  const pages = Math.max(1, Math.ceil(knocks.length / PAGE));
  const within = Math.min(Math.max(0, at), pages - 1);
  return { shown: knocks.slice(within * PAGE, (within + 1) * PAGE), at: within, pages };
}

export function toggled(selection: Selection, knock: KnockView): Selection {
  const next = new Map(selection);
  if (!next.delete(knock.knock)) next.set(knock.knock, knock.version);
  return next;
}

/** All of these when not all are chosen, none of them otherwise. */
export function toggledAll(selection: Selection, knocks: readonly KnockView[]): Selection {
  const next = new Map(selection);
  const all = knocks.every((knock) => next.has(knock.knock));
  for (const knock of knocks) {
    if (all) next.delete(knock.knock);
    else next.set(knock.knock, knock.version);
  }
  return next;
}

/** What is left of a selection: those who went, and those whose name changed since they were chosen, are no longer chosen. */
export function stillChosen(selection: Selection, knocks: readonly KnockView[]): { kept: Selection; changed: KnockView[] } {
  const kept = new Map<string, number>();
  const changed: KnockView[] = [];
  for (const knock of knocks) {
    const version = selection.get(knock.knock);
    if (version === undefined) continue;
    if (version === knock.version) kept.set(knock.knock, version);
    else changed.push(knock);
  }
  return { kept, changed };
}

/** Where two hosts must agree: whose word is still missing. */
export function agreedWords(by: string, own: string | undefined): string {
  return by === own ? "you agree; one more host must" : `${by} agrees; one more host must`;
}

/** What stands on the tab: the number of those who wait comes first, so that it is seen on a narrow tab too. */
export function titleOf(room: string, waiting: number): string {
  return `${waiting > 0 ? `(${waiting}) ` : ""}${room} – Conclave`;
}
