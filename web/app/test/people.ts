// People, rooms and knocks for the tests of view models.

import type { KnockView, ParticipantView, Role, RoomView, SettingView } from "@conclave/sdk";

export function person(role: Role, more: Partial<ParticipantView> = {}): ParticipantView {
  const sources = { microphone: "off", camera: "off", screen: "off", screen_audio: "off" } as const;
  return { participant: role, name: `The ${role}`, signed_in: role !== "guest", role, sources, hand: false, connected: true, picture: null, ...more };
}

export function roomOf(you: string, participants: ParticipantView[], more: Partial<RoomView> = {}): RoomView {
  return { room: "r", title: "Board", locked: false, you, participants, settings: [], suspended: false, spotlight: null, may_chat: false, kind: "meeting", pending_profiles: [], captions: { state: "off", running: false, languages: [], engine: null, outside: false, transcript: false }, caption_choice: { language: null, original: false }, ...more };
}

export function knockOf(id: string, more: Partial<KnockView> = {}): KnockView {
  const known = { signed_in: false, since: 0, while_locked: false, denied_before: 0, first_seen: 0, suspected: false, picture: null };
  return { knock: id, version: 1, name: id, identity: { kind: "unverified" }, similar_to: null, agreed_by: null, ...known, ...more };
}

export function settingOf(key: string, value = "a", more: Partial<SettingView> = {}): SettingView {
  return { key, value, values: ["a", "b", "c"], relax: "host", built: true, level: "default", locked: false, may_change: true, ...more };
}
