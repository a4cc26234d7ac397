// Webhooks and API keys in words. Pure. What this page does not know is shown by its name rather than hidden.

import type { Delivery, DeliveryState, Webhook } from "@conclave/sdk";

export const EVENTS: Readonly<Record<string, string>> = {
  "room.created": "A room was made",
  "room.started": "A meeting began",
  "room.ended": "A meeting ended",
  "room.closed": "A room was deleted",
  "room.settings_changed": "A room’s settings changed",
  "participant.waiting": "Someone waits at the door",
  "participant.turned_away": "Someone stopped waiting or was turned away",
  "participant.admitted": "Someone was let in",
  "participant.joined": "Someone came in",
  "participant.left": "Someone left",
  "participant.removed": "Someone was removed or sent back",
  "participant.role_changed": "Someone has another role",
  "transcript.kept": "A transcript was kept",
  "organisation.settings_changed": "The organisation’s settings changed",
  "member.joined": "Someone has an account now",
  "member.ended": "An account was ended",
  "webhook.test": "A test",
};

const FAILURES: Readonly<Record<string, string>> = {
  address: "The address cannot be used",
  internal: "The address leads to an internal network",
  busy: "Too much is being sent at once",
  too_slow: "No answer within 15 seconds",
  too_large: "The answer was too large",
  unreachable: "No connection, or not with the right certificate",
  malformed: "The answer was cut off, or is not HTTP",
  redirect: "The answer leads elsewhere; redirects are not followed",
  refused: "The receiver refused it",
  overflow: "Too much was waiting already",
  given_up: "The webhook was given up",
};

export const STATES: Readonly<Record<DeliveryState, string>> = { due: "To be sent", told: "Delivered", dead: "Given up" };

export function eventWords(type: string): string {
  return EVENTS[type] ?? type;
}

/** What happened at the last attempt, in a sentence; nothing before the first. */
export function outcomeWords(delivery: Pick<Delivery, "status" | "failure" | "took">): string {
  const took = delivery.took === null ? "" : ` in ${delivery.took} ms`;
  if (delivery.failure !== null) {
    const why = FAILURES[delivery.failure] ?? delivery.failure;
    return delivery.status === null ? why : `${why}: ${delivery.status}${took}`;
  }
  return delivery.status === null ? "" : `Answered ${delivery.status}${took}`;
}

export interface Standing {
  words: string;
  tone: "good" | "plain" | "warn";
  /** What it means, and what to do, where that is not plain. */
  more?: string;
}

export function webhookStanding(webhook: Pick<Webhook, "state" | "failing_since">): Standing {
  switch (webhook.state) {
    case "active":
      if (webhook.failing_since === null) return { words: "active", tone: "good" };
      return { words: "failing", tone: "warn", more: `Every attempt since ${moment(webhook.failing_since)} has failed. It is tried again by itself.` };
    case "paused":
      return { words: "paused", tone: "plain", more: "What happens is kept and sent when it goes on." };
    case "failing":
      return { words: "given up", tone: "warn", more: "It only failed for too long. Nothing is kept for it until you turn it on again." };
    case "gone":
      return { words: "gone", tone: "warn", more: "The receiver answered 410: it wants nothing more. Turn it on again if that was a mistake." };
  }
}

export function moment(at: number): string {
  return new Date(at).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

export const SCOPES: Readonly<Record<string, string>> = {
  "organisation:read": "Read the organisation’s settings",
  "organisation:write": "Change the organisation’s settings",
  "members:read": "Read who has an account",
  "members:write": "Invite members, change and end accounts",
  "rooms:read": "Read about rooms, without passwords",
  "rooms:write": "Make, set up and end rooms",
  "guest-links": "Make and take back guest links",
  "sessions:read": "See who is in a meeting and who waits",
  "sessions:control": "Do what hosts do in a meeting",
  join: "Bring users of another product to a door",
  "audit:read": "Read the audit log",
  "webhooks:read": "Read webhooks and their deliveries",
  "webhooks:write": "Make and change webhooks",
};

export function keyStanding(key: { expires: number; used: number | null }, now: number): Standing {
  if (key.expires <= now) return { words: "expired", tone: "plain" };
  const days = Math.ceil((key.expires - now) / 86_400_000);
  if (days <= 14) return { words: days === 1 ? "expires within a day" : `expires in ${days} days`, tone: "warn" };
  return { words: key.used === null ? "not used yet" : "in use", tone: key.used === null ? "plain" : "good" };
}
