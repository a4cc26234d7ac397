// What the sdk gives to a page. No framework, no page elements.

export * as api from "./api";
export { Conclave, type ChatPage, type ConclaveEvents, type JoinOptions, type LobbyPage, type StopCause } from "./conclave";
export type {
  AuditFilter,
  AuditPage,
  AuditRow,
  BarView,
  ChatMessage,
  DoneToYou,
  GuestLinkView,
  GuestLinkMade,
  HostMessage,
  IdentityView,
  KnockView,
  ParticipantView,
  PendingProfile,
  Preset,
  PreviewLine,
  Profile,
  RoomEvent,
  RoomView,
  SettingLevel,
  SettingView,
  Phrase,
} from "./contract";
export { browserEnvironment, socketUrl, type Environment } from "./environment";
export { CallFailed, type FailureCode } from "./failure";
export type { InvitationView } from "./generated/InvitationView";
export type { LeaveReason } from "./generated/LeaveReason";
export type { Me } from "./generated/Me";
export type { Role } from "./generated/Role";
export type { RoomEntry } from "./generated/RoomEntry";
export type { RoomMade } from "./generated/RoomMade";
export type { Source } from "./generated/Source";
export type { SourceState } from "./generated/SourceState";
export type { SourceStatsView } from "./generated/SourceStatsView";
export type { LocalTracks } from "./media/local";
export type { AudioSlot, MediaStatus } from "./media/media";
export { isModerator, ownLine } from "./room";
export type { Admitted, Closed, Connecting, State, Waiting } from "./state";
