// The protocol as the client speaks it: the generated types, and beside them those whose server part is still on its way.
// Each goes when the generated type has it.

import type { Done as GeneratedDone } from "./generated/Done";
import type { DoneToYou as GeneratedDoneToYou } from "./generated/DoneToYou";
import type { Event as GeneratedEvent } from "./generated/Event";
import type { Failure } from "./generated/Failure";
import type { KnockView as GeneratedKnock } from "./generated/KnockView";
import type { Me as GeneratedMe } from "./generated/Me";
import type { NameWarning } from "./generated/NameWarning";
import type { ParticipantView as GeneratedParticipant } from "./generated/ParticipantView";
import type { Role } from "./generated/Role";
import type { RoomRequest as GeneratedRequest } from "./generated/RoomRequest";
import type { RoomView as GeneratedRoom } from "./generated/RoomView";
import type { SettingView } from "./generated/SettingView";
import type { ServerMessage as GeneratedMessage } from "./generated/ServerMessage";

export type KnockView = GeneratedKnock & { picture?: string | null };

export type ParticipantView = GeneratedParticipant & { picture?: string | null };

export type RoomView = Omit<GeneratedRoom, "participants" | "knocks"> & {
  participants: ParticipantView[];
  knocks?: KnockView[];
  pending_profiles?: PendingProfile[];
  kind?: RoomKind;
};

export interface Profile {
  name: string;
  picture: string | null;
}

export interface PendingProfile {
  participant: string;
  version: number;
  old: Profile;
  new: Profile;
  warnings: NameWarning[];
}

export type Preset = "locked_down" | "team_meeting" | "webinar";

export type RoomKind = "meeting" | "webinar";

export type What = "enter" | "enter_without_password" | "enter_before_host" | "enter_late" | "return_after_removal" | "be_heard" | "be_seen" | "share" | "see_roster" | "see_count";

export type Answer = "directly" | "waits" | "refused" | "yes" | "asks" | "no" | "everyone" | "hosts_and_speakers";

export interface Line {
  who: Role;
  what: What;
  now: Answer;
  then: Answer;
}

export interface PresetApplied {
  kind: RoomKind;
  changed: SettingView[];
  kept: SettingView[];
}

export type DoneToYou = GeneratedDoneToYou | { act: "profile_approved" } | { act: "profile_refused" };

export type RoomEvent =
  | Exclude<GeneratedEvent, { type: "done_to_you" | "knocked" | "lobby" }>
  | { type: "knocked"; knock: KnockView }
  | { type: "lobby"; knocks?: KnockView[] }
  | { type: "done_to_you"; what: DoneToYou; by: string }
  | { type: "kind_changed"; kind: RoomKind; by: string }
  | ({ type: "profile_pending" } & PendingProfile)
  | { type: "profile_gone"; participant: string };

export type Done =
  | Exclude<GeneratedDone, { type: "lobby" }>
  | { type: "lobby"; knocks: KnockView[]; waiting: number; suspected: number }
  | { type: "held"; version: number }
  | { type: "preview"; lines: Line[] }
  | { type: "preset"; changed: SettingView[]; kept: SettingView[] };

export type RoomRequest =
  | GeneratedRequest
  | { type: "change_profile"; name?: string; picture?: string | null }
  | { type: "decide_profile"; participant: string; version: number; approve: boolean }
  | { type: "preview_setting"; key?: string; value?: string }
  | { type: "apply_preset"; preset: Preset };

export type Outcome = { ok: Done } | { error: Failure };

export type ServerMessage =
  | Exclude<GeneratedMessage, { type: "admitted" } | { type: "reply" } | { type: "event" }>
  | { type: "admitted"; room: RoomView; resume: string; seq: number }
  | ({ type: "reply"; id: number } & Outcome)
  | { type: "event"; seq: number; event: RoomEvent };

export type Me = GeneratedMe & { picture?: string | null };
