// Who stands above whom, so that the page does not offer what the server would refuse anyway. The server decides.

import type { ParticipantView, Role } from "@conclave/sdk";

const RANK: Readonly<Partial<Record<Role, number>>> = { owner: 4, host: 3, presenter: 2, attendee: 1 };

export function rankOf(role: Role): number {
  return RANK[role] ?? 0;
}

export function mayActOn(actor: ParticipantView | undefined, target: ParticipantView): boolean {
  return actor !== undefined && rankOf(actor.role) > rankOf(target.role);
}
