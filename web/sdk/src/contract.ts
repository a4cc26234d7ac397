// The protocol as the client speaks it: the generated types, and beside them those whose server part is still on its way.
// Each goes when the generated type has it.

import type { Done as GeneratedDone } from "./generated/Done";
import type { DoneToYou as GeneratedDoneToYou } from "./generated/DoneToYou";
import type { Event as GeneratedEvent } from "./generated/Event";
import type { KnockView as GeneratedKnock } from "./generated/KnockView";
import type { ParticipantView as GeneratedParticipant } from "./generated/ParticipantView";
import type { Role } from "./generated/Role";
import type { RoomRequest as GeneratedRequest } from "./generated/RoomRequest";
import type { RoomView as GeneratedRoom } from "./generated/RoomView";
import type { ServerMessage as GeneratedMessage } from "./generated/ServerMessage";
import type { SettingView as GeneratedSetting } from "./generated/SettingView";

export type IdentityView = { kind: "account"; organisation: string } | { kind: "guest_link"; label: string } | { kind: "unverified" };

export type KnockView = GeneratedKnock & {
  identity?: IdentityView;
  first_seen?: number;
  suspected?: boolean;
  similar_to?: string | null;
  agreed_by?: string | null;
  picture?: string | null;
};

export type ParticipantView = GeneratedParticipant & { picture?: string | null };

export type SettingLevel = "default" | "organisation" | "room";

export type SettingView = GeneratedSetting & { level?: SettingLevel; locked?: boolean; may_change?: boolean };

export interface LobbyCount {
  waiting: number;
  suspected: number;
}

export type RoomView = Omit<GeneratedRoom, "participants" | "knocks" | "settings"> & {
  participants: ParticipantView[];
  knocks?: KnockView[];
  settings: SettingView[];
  spotlight?: string | null;
  suspended?: boolean;
  lobby?: LobbyCount;
  may_chat?: boolean;
};

export interface ChatMessage {
  number: number;
  at: number;
  participant: string;
  name: string;
  role: Role;
  text: string;
  deleted: boolean;
}

export interface Profile {
  name: string;
  picture: string | null;
}

export interface PendingProfile {
  participant: string;
  version: number;
  old: Profile;
  new: Profile;
  warnings: string[];
}

export type Phrase = "one_moment" | "starting_soon" | "please_identify" | "wrong_meeting";

export type Preset = "locked_down" | "team_meeting" | "webinar";

export interface PreviewLine {
  who: string;
  what: string;
  now: string;
  then: string;
}

export interface BarView {
  bar: string;
  name: string;
  known_by: string[];
  at: number;
}

export type DoneToYou = GeneratedDoneToYou | { act: "profile_approved" } | { act: "profile_refused" };

export type RoomEvent =
  | Exclude<GeneratedEvent, { type: "done_to_you" | "knocked" | "lobby" }>
  | { type: "knocked"; knock: KnockView }
  | { type: "lobby"; knocks?: KnockView[] }
  | { type: "done_to_you"; what: DoneToYou; by: string }
  | { type: "spotlight"; participant: string | null }
  | { type: "suspended"; suspended: boolean; by: string }
  | { type: "lobby_count"; waiting: number; suspected: number }
  | { type: "owner_changed"; participant: string; by: string }
  | { type: "chat"; message: ChatMessage }
  | { type: "chat_deleted"; number: number; by: string }
  | { type: "may_chat"; may: boolean }
  | ({ type: "profile_pending" } & PendingProfile)
  | { type: "profile_gone"; participant: string };

export type Done =
  | GeneratedDone
  | { type: "counted"; count: number }
  | { type: "lobby"; knocks: KnockView[]; waiting: number; suspected: number }
  | { type: "bars"; bars: BarView[] }
  | { type: "chat_sent"; number: number; at: number }
  | { type: "chat_page"; messages: ChatMessage[]; more: boolean }
  | { type: "held"; version: number }
  | { type: "preview"; lines: PreviewLine[] };

export interface Seen {
  knock: string;
  version: number;
}

export type RoomRequest =
  | GeneratedRequest
  | { type: "mute_all"; except: string[] }
  | { type: "stop_all_shares" }
  | { type: "spotlight"; participant: string | null }
  | { type: "remove"; participant: string; bar?: boolean }
  | { type: "send_back"; participant: string }
  | { type: "admit_many"; knocks: Seen[] }
  | { type: "deny_many"; knocks: string[] }
  | { type: "deny_all" }
  | { type: "message_waiting"; knock?: string; phrase?: Phrase; text?: string }
  | { type: "lobby"; after?: string; limit: number }
  | { type: "suspend" }
  | { type: "lift_suspension" }
  | { type: "transfer_ownership"; participant: string }
  | { type: "unbar"; bar: string }
  | { type: "bars" }
  | { type: "chat"; text: string; ref: string }
  | { type: "chat_history"; before?: number; limit: number }
  | { type: "chat_search"; words: string }
  | { type: "delete_chat"; number: number }
  | { type: "change_profile"; name?: string; picture?: string | null }
  | { type: "decide_profile"; participant: string; version: number; approve: boolean }
  | { type: "preview_setting"; key: string; value: string }
  | { type: "apply_preset"; preset: Preset };

export interface HostMessage {
  phrase?: Phrase;
  text?: string;
}

export type ServerMessage =
  | Exclude<GeneratedMessage, { type: "admitted" } | { type: "reply" } | { type: "event" }>
  | { type: "admitted"; room: RoomView; resume: string; seq: number }
  | ({ type: "reply"; id: number } & Outcome)
  | { type: "event"; seq: number; event: RoomEvent }
  | ({ type: "message" } & HostMessage);

export type Outcome = { ok: Done } | { error: { code: import("./generated/ErrorCode").ErrorCode; text: string } };

export interface GuestLinkView {
  id: string;
  label: string;
  made: number;
  expires: number;
  used: number | null;
  revoked: number | null;
}

export interface GuestLinkMade {
  id: string;
  path: string;
  expires: number;
}

export interface AuditRow {
  number: number;
  at: number;
  actor: string;
  action: string;
  outcome: string;
  subject: string | null;
  room: string | null;
  rule: string | null;
  count: number;
}

export interface AuditFilter {
  room?: string;
  action?: string;
  outcome?: string;
  actor?: string;
  from?: number;
  until?: number;
  before?: number;
}

export interface AuditPage {
  rows: AuditRow[];
  more: boolean;
}

export interface OrganisationSettings {
  settings: SettingView[];
  two_person_admission: boolean;
}
