// The protocol as the client speaks it: the generated types, and beside them those whose server part is still on its way.
// Each goes when the generated type has it.

import type { Done as GeneratedDone } from "./generated/Done";
import type { Event as GeneratedEvent } from "./generated/Event";
import type { Failure } from "./generated/Failure";
import type { Role } from "./generated/Role";
import type { RoomRequest as GeneratedRequest } from "./generated/RoomRequest";
import type { RoomView as GeneratedRoom } from "./generated/RoomView";
import type { ServerMessage as GeneratedMessage } from "./generated/ServerMessage";
import type { SettingView } from "./generated/SettingView";

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

export type RoomView = GeneratedRoom & { kind?: RoomKind };

export type RoomEvent = GeneratedEvent | { type: "kind_changed"; kind: RoomKind; by: string };

export type Done = GeneratedDone | { type: "preview"; lines: Line[] } | { type: "preset"; changed: SettingView[]; kept: SettingView[] };

export type RoomRequest = GeneratedRequest | { type: "preview_setting"; key?: string; value?: string } | { type: "apply_preset"; preset: Preset };

export type Outcome = { ok: Done } | { error: Failure };

export type ServerMessage =
  | Exclude<GeneratedMessage, { type: "admitted" } | { type: "reply" } | { type: "event" }>
  | { type: "admitted"; room: RoomView; resume: string; seq: number }
  | ({ type: "reply"; id: number } & Outcome)
  | { type: "event"; seq: number; event: RoomEvent };
