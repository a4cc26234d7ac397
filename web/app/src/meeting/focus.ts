// Who is shown large in the speaker layout. Pure: the same room gives the same answer.

import type { ParticipantView, RoomView } from "@conclave/sdk";

/**
 * The spotlighted person; else the loudest other; else whoever was large last, so that a pause moves nobody; else the first
 * who shows something. Oneself only when nobody else is here.
 */
export function mainOf(room: RoomView, speaking: readonly string[], last: string | null): ParticipantView | undefined {
  const others = room.participants.filter((p) => p.participant !== room.you);
  const among = (id: string | null | undefined) => others.find((p) => p.participant === id);
  const spotlight = room.participants.find((p) => p.participant === room.spotlight);
  const loudest = speaking.map(among).find((p) => p !== undefined);
  return spotlight ?? loudest ?? among(last) ?? others.find((p) => p.sources.camera === "on") ?? others[0] ?? room.participants[0];
}
