// What the sdk gives to a page. No framework, no page elements.

export * as api from "./api";
export { Conclave, type ConclaveEvents, type JoinOptions, type StopCause } from "./conclave";
export { browserEnvironment, socketUrl, type Environment } from "./environment";
export { CallFailed, type FailureCode } from "./failure";
export type { DoneToYou } from "./generated/DoneToYou";
export type { Event as RoomEvent } from "./generated/Event";
export type { InvitationView } from "./generated/InvitationView";
export type { KnockView } from "./generated/KnockView";
export type { LeaveReason } from "./generated/LeaveReason";
export type { Me } from "./generated/Me";
export type { ParticipantView } from "./generated/ParticipantView";
export type { Role } from "./generated/Role";
export type { RoomEntry } from "./generated/RoomEntry";
export type { RoomMade } from "./generated/RoomMade";
export type { RoomView } from "./generated/RoomView";
export type { SettingView } from "./generated/SettingView";
export type { Source } from "./generated/Source";
export type { SourceState } from "./generated/SourceState";
export type { SourceStatsView } from "./generated/SourceStatsView";
export type { LocalTracks } from "./media/local";
export type { AudioSlot, MediaStatus } from "./media/media";
export { isModerator, ownLine } from "./room";
export type { Admitted, Closed, Connecting, State, Waiting } from "./state";
