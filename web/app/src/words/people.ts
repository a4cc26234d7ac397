// Words for people: roles, how sure the name is, sources, times.

import type { Role, Source } from "@conclave/sdk";

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
