// The room as this participant sees it, folded from the admitted view and the events after it. Pure: a new value each time.

import type { Event as RoomEvent } from "./generated/Event";
import type { KnockView } from "./generated/KnockView";
import type { ParticipantView } from "./generated/ParticipantView";
import type { PendingProfile } from "./generated/PendingProfile";
import type { RoomView } from "./generated/RoomView";

/** The view after `event`; the same object when the event does not touch it. */
export function applyEvent(room: RoomView, event: RoomEvent): RoomView {
  switch (event.type) {
    case "participant_joined":
    case "participant_changed":
      return { ...room, participants: withParticipant(room.participants, event.participant) };
    case "participant_left":
      return { ...room, participants: room.participants.filter((p) => p.participant !== event.participant) };
    case "knocked":
      return { ...room, knocks: withKnock(room.knocks ?? [], event.knock) };
    case "knock_gone":
      return { ...room, knocks: (room.knocks ?? []).filter((k) => k.knock !== event.knock) };
    case "lobby":
      return event.knocks === undefined ? withoutKnocks(room) : { ...room, knocks: event.knocks };
    case "locked":
      return { ...room, locked: event.locked };
    case "setting_changed":
      return { ...room, settings: room.settings.map((s) => (s.key === event.setting.key ? event.setting : s)) };
    case "kind_changed":
      return { ...room, kind: event.kind };
    case "settings":
      return { ...room, settings: event.settings };
    case "kind_changed":
      return { ...room, kind: event.kind };
    case "count":
      return { ...room, count: event.count };
    case "spotlight":
      return { ...room, spotlight: event.participant };
    case "suspended":
      return { ...room, suspended: event.suspended };
    case "lobby_count":
      return { ...room, lobby: { waiting: event.waiting, suspected: event.suspected } };
    case "may_chat":
      return { ...room, may_chat: event.may };
    case "second_factor":
      return { ...room, lacks_factor: event.missing };
    case "profile_pending": {
      const { type: _type, ...change } = event;
      return { ...room, pending_profiles: [...withoutChange(room, change.participant), change] };
    }
    case "profile_gone":
      return { ...room, pending_profiles: withoutChange(room, event.participant) };
    case "captions": {
      const { type: _type, ...captions } = event;
      return { ...room, captions };
    }
    case "chat":
    case "chat_deleted":
    case "done_to_you":
    case "asked":
    case "two_person_admission":
    case "slots":
    case "undecodable":
    case "layers":
    case "speaking":
    case "media":
      return room;
  }
}

/** The receiver's own line; absent only between an event that hides it and the one that closes. */
export function ownLine(room: RoomView): ParticipantView | undefined {
  return room.participants.find((p) => p.participant === room.you);
}

export function isModerator(participant: ParticipantView | undefined): boolean {
  return participant?.role === "owner" || participant?.role === "host";
}

function withoutChange(room: RoomView, participant: string): PendingProfile[] {
  return room.pending_profiles.filter((change) => change.participant !== participant);
}

function withParticipant(list: ParticipantView[], changed: ParticipantView): ParticipantView[] {
  const at = list.findIndex((p) => p.participant === changed.participant);
  return at < 0 ? [...list, changed] : list.with(at, changed);
}

function withKnock(list: KnockView[], changed: KnockView): KnockView[] {
  const at = list.findIndex((k) => k.knock === changed.knock);
  return at < 0 ? [...list, changed] : list.with(at, changed);
}

function withoutKnocks(room: RoomView): RoomView {
  const { knocks: _gone, lobby: _count, ...rest } = room;
  return rest;
}
