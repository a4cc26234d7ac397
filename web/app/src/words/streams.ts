// Streams that come and go without this page, in words. Pure.

import type { StreamKind, StreamTokenView } from "@conclave/sdk";

export const STREAM_KIND: Readonly<Record<StreamKind, string>> = { source: "Into the room (WHIP)", viewer: "Out of the room (WHEP)" };

export interface Standing {
  words: string;
  good: boolean;
  mayRevoke: boolean;
}

/** A token that was used may still have its stream in the room, whatever the hour: it can be taken back until it was. */
export function tokenStanding(token: Pick<StreamTokenView, "expires" | "used" | "revoked">, now: number): Standing {
  if (token.revoked !== null) return { words: "taken back", good: false, mayRevoke: false };
  if (token.used !== null) return { words: "used", good: true, mayRevoke: true };
  if (token.expires <= now) return { words: "over", good: false, mayRevoke: false };
  return { words: "not used yet", good: true, mayRevoke: true };
}
