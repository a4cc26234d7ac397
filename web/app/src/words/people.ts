// Words for people: roles, how sure the name is, sources, times.

import type { GuestLinkView, KnockView, NameWarning, Phrase, Role, Source } from "@conclave/sdk";

export const ROLE: Readonly<Record<Role, string>> = {
  owner: "Owner",
  host: "Host",
  presenter: "Presenter",
  attendee: "Attendee",
  guest: "Guest",
  observer: "Observer",
  captioner: "Captions",
  recorder: "Recorder",
  ingress: "Broadcast in",
  relay: "Relay",
  program: "Program",
};

export const SOURCE: Readonly<Record<Source, string>> = {
  microphone: "microphone",
  camera: "camera",
  screen: "screen",
  screen_audio: "screen sound",
};

/** What a person asks for when they ask for a source. */
export const ASK: Readonly<Record<Source, string>> = {
  microphone: "to speak",
  camera: "to show their camera",
  screen: "to share their screen",
  screen_audio: "to share their screen",
};

export function standing(signedIn: boolean): string {
  return signedIn ? "signed in" : "guest, unverified";
}

/** What hosts can say to those who wait. */
export const PHRASE: Readonly<Record<Phrase, string>> = {
  one_moment: "One moment, please. A host will be with you.",
  starting_soon: "The meeting starts soon.",
  please_identify: "Please give your full name, so that a host knows you.",
  wrong_meeting: "This may be the wrong meeting. Ask whoever invited you.",
};

/** How a guest link stands, and whether it can still be taken back. A used one can: that ends the guest's way in. */
export function linkStanding(link: GuestLinkView, now: number): { words: string; good: boolean; mayRevoke: boolean } {
  if (link.revoked !== null) return { words: "taken back", good: false, mayRevoke: false };
  if (link.expires <= now) return { words: "expired", good: false, mayRevoke: false };
  return link.used === null ? { words: "not used yet", good: true, mayRevoke: true } : { words: "in use", good: true, mayRevoke: true };
}

/** What speaks against a new name. */
export function warningWords(warning: NameWarning): string {
  switch (warning.kind) {
    case "resembles_host":
      return `Looks like the name of ${warning.name}, who is a host here.`;
    case "mixed_scripts":
      return "Mixes letters of several scripts, which can make one name look like another.";
    case "normalised":
      return "Was written with unusual characters; it is shown here as it would be.";
  }
}

/** How sure the name of someone who waits is, in the words that hosts see. */
export function identityWords(knock: KnockView): string {
  const who = identity(knock);
  switch (knock.stream) {
    case "source":
      return `ingress, a stream that sends at once: ${who}`;
    case "viewer":
      return `viewer without a page: ${who}`;
    default:
      return who;
  }
}

function identity(knock: KnockView): string {
  switch (knock.identity.kind) {
    case "stream_token":
      return `“${knock.identity.label}”, named by a host`;
    case "account":
      return `signed in, ${knock.identity.organisation}`;
    case "guest_link":
      return `guest with the link “${knock.identity.label}”`;
    case "product":
      return `brought by “${knock.identity.label}”`;
    case "unverified":
      return "guest, unverified";
  }
}

export function initials(name: string): string {
  const words = name.trim().split(/\s+/u);
  const first = [...(words[0] ?? "")][0] ?? "?";
  const last = words.length > 1 ? ([...(words[words.length - 1] ?? "")][0] ?? "") : "";
  return (first + last).toLocaleUpperCase();
}

/** "just now", "3 min", "1 h 5 min". */
export function since(from: number, now: number): string {
  const minutes = Math.max(0, Math.floor((now - from) / 60_000));
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  const rest = minutes % 60;
  return rest === 0 ? `${hours} h` : `${hours} h ${rest} min`;
}
