// What the sdk gives to a page. No framework, no page elements.

export * as api from "./api";
export type { AuditFilter } from "./api";
export { Conclave, type ChatPage, type ConclaveEvents, type JoinOptions, type LobbyPage, type StopCause } from "./conclave";
export type {
  Answer,
  DoneToYou,
  KnockView,
  Line,
  ParticipantView,
  PendingProfile,
  Preset,
  PresetApplied,
  Profile,
  RoomEvent,
  RoomKind,
  RoomView,
  What,
} from "./contract";
export { browserEnvironment, socketUrl, type Environment } from "./environment";
export { CallFailed, type FailureCode } from "./failure";
export type { AuditPage } from "./generated/AuditPage";
export type { AuditRowView } from "./generated/AuditRowView";
export type { AuditVerdict } from "./generated/AuditVerdict";
export type { BarView } from "./generated/BarView";
export type { ChatView } from "./generated/ChatView";
export type { GuestLinkMade } from "./generated/GuestLinkMade";
export type { GuestLinkView } from "./generated/GuestLinkView";
export type { IdentityView } from "./generated/IdentityView";
export type { InvitationView } from "./generated/InvitationView";
export type { LeaveReason } from "./generated/LeaveReason";
export type { Me } from "./contract";
export type { Organisation } from "./generated/Organisation";
export type { NameWarning } from "./generated/NameWarning";
export type { Phrase } from "./generated/Phrase";
export type { Role } from "./generated/Role";
export type { RoomEntry } from "./generated/RoomEntry";
export type { RoomMade } from "./generated/RoomMade";
export type { SettingView } from "./generated/SettingView";
export type { Source } from "./generated/Source";
export type { SourceState } from "./generated/SourceState";
export type { SourceStatsView } from "./generated/SourceStatsView";
export type { WaitingWord } from "./generated/WaitingWord";
export type { LocalTracks } from "./media/local";
export type { AudioSlot, MediaStatus } from "./media/media";
export { isModerator, ownLine } from "./room";
export type { Admitted, Closed, Connecting, State, Waiting } from "./state";
