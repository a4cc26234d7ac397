// The HTTPS side: sessions, invitations and rooms. The session itself is a cookie that no script can read, and is worth nothing
// without the key that signs each request.

import { CallFailed } from "./failure";
import type { AuditPage } from "./generated/AuditPage";
import type { AuditVerdict } from "./generated/AuditVerdict";
import type { GuestLinkList } from "./generated/GuestLinkList";
import type { GuestLinkMade } from "./generated/GuestLinkMade";
import type { GuestLinkView } from "./generated/GuestLinkView";
import type { LinkedIdentities } from "./generated/LinkedIdentities";
import type { LinkedIdentity } from "./generated/LinkedIdentity";
import type { Line } from "./generated/Line";
import type { Me } from "./generated/Me";
import type { Options } from "./generated/Options";
import type { Organisation } from "./generated/Organisation";
import type { Preset } from "./generated/Preset";
import type { PresetApplied } from "./generated/PresetApplied";
import type { ProviderAddress } from "./generated/ProviderAddress";
import type { ProviderList } from "./generated/ProviderList";
import type { ProviderReturn } from "./generated/ProviderReturn";
import type { ProviderView } from "./generated/ProviderView";
import type { RoomEntry } from "./generated/RoomEntry";
import type { RoomList } from "./generated/RoomList";
import type { RoomMade } from "./generated/RoomMade";
import type { RoomPassword } from "./generated/RoomPassword";
import type { SecondFactorAsked } from "./generated/SecondFactorAsked";
import type { SecondFactorView } from "./generated/SecondFactorView";
import type { SessionView } from "./generated/SessionView";
import type { SettingList } from "./generated/SettingList";
import type { SpeechView } from "./generated/SpeechView";
import type { StreamKind } from "./generated/StreamKind";
import type { StreamTokenList } from "./generated/StreamTokenList";
import type { StreamTokensMade } from "./generated/StreamTokensMade";
import type { StreamTokenView } from "./generated/StreamTokenView";
import type { SettingView } from "./generated/SettingView";
import type { TranscriptList } from "./generated/TranscriptList";
import type { TranscriptView } from "./generated/TranscriptView";
import { file, request } from "./request";

/** Which rows of the audit trail; what is left out may be anything. */
export interface AuditFilter {
  /** Only for the organisation's. */
  room?: string;
  actor?: string;
  action?: string;
  verdict?: AuditVerdict;
  before?: number;
  /** Not before, and before: milliseconds since the epoch. */
  from?: number;
  to?: number;
}

export type TranscriptFormat = "vtt" | "srt" | "txt" | "json";

/** Who is signed in here, or null. */
export async function me(): Promise<Me | null> {
  try {
    return await request<Me>("GET", "/api/me");
  } catch (failure) {
    if (failure instanceof CallFailed && failure.code === "signed_out") return null;
    if (failure instanceof CallFailed && failure.code === "session_reused") {
      ended = failure.message;
      return null;
    }
    throw failure;
  }
}

/** Why the last session was ended, if there is more to say than that it is over. */
let ended: string | null = null;

export function whyEnded(): string | null {
  return ended;
}

/** Who signed in; or what to show beside the password, for `own.factorBy…`. */
export async function signIn(email: string, password: string): Promise<Me | SecondFactorAsked> {
  const answer = await request<SessionView | SecondFactorView>("POST", "/api/session", { email, password });
  return "second_factor" in answer ? answer.second_factor : answer.me;
}

export function signOut(): Promise<void> {
  return request("DELETE", "/api/session");
}

/** Everyone is signed out everywhere, whoever asks too. For administrators who have just signed in. */
export function endAllSessions(): Promise<void> {
  return request("DELETE", "/api/organisation/sessions");
}

/** With whose accounts people may sign in here. */
export async function providers(): Promise<ProviderView[]> {
  return (await ways()).providers;
}

/** All ways of signing in beside the password. */
export function ways(): Promise<ProviderList> {
  return request("GET", "/api/providers");
}

/** Begins the way to a provider; gives the address of its page. `next` is a path of this app to go on to afterwards. */
export async function leaveToSignIn(provider: string, next: string): Promise<string> {
  return (await request<ProviderAddress>("POST", `/api/providers/${encodeURIComponent(provider)}/sign-in`, { next })).address;
}

/** The same to link what one has there to the account here, whose password proves it once more. */
export async function leaveToLink(provider: string, password: string, next: string): Promise<string> {
  return (await request<ProviderAddress>("POST", `/api/providers/${encodeURIComponent(provider)}/link`, { password, next })).address;
}

/** Ends the way back, with what the provider put into the address of the page. */
export function comeBack(provider: string, state: string, code: string, iss?: string): Promise<ProviderReturn> {
  return request("POST", `/api/providers/${encodeURIComponent(provider)}/return`, { state, code, ...(iss === undefined ? {} : { iss }) });
}

/** What elsewhere stands for the own account. */
export async function identities(): Promise<LinkedIdentity[]> {
  return (await request<LinkedIdentities>("GET", "/api/identities")).identities;
}

/** Sessions that came by it are over with it. */
export function unlink(identity: string): Promise<void> {
  return request("DELETE", `/api/identities/${encodeURIComponent(identity)}`);
}

/** `link` is the secret of a guest link, from behind its `#`. */
export async function enterAsGuest(room: string, name: string, link?: string): Promise<Me> {
  return (await request<SessionView>("POST", "/api/guest", { room, name, ...(link === undefined ? {} : { link }) })).me;
}

export async function acceptInvitation(token: string, email: string, name: string, password: string): Promise<Me> {
  return (await request<SessionView>("POST", "/api/invitations/accept", { token, email, name, password })).me;
}

export async function rooms(): Promise<RoomEntry[]> {
  return (await request<RoomList>("GET", "/api/rooms")).rooms;
}

export function createRoom(title: string): Promise<RoomMade> {
  return request("POST", "/api/rooms", { title });
}

export function deleteRoom(id: string): Promise<void> {
  return request("DELETE", `/api/rooms/${encodeURIComponent(id)}`);
}

export function roomPassword(id: string): Promise<RoomPassword> {
  return request("GET", `/api/rooms/${encodeURIComponent(id)}/password`);
}

/** Makes another password; refused as stale if it is no longer the one that was seen. */
export function newRoomPassword(id: string, seen: RoomPassword | null): Promise<RoomPassword> {
  return request("POST", `/api/rooms/${encodeURIComponent(id)}/password`, seen === null ? {} : { revision: seen.revision });
}

export async function roomSettings(id: string): Promise<SettingView[]> {
  return (await request<SettingList>("GET", `/api/rooms/${encodeURIComponent(id)}/settings`)).settings;
}

export function changeRoomSetting(id: string, key: string, value: string): Promise<SettingView> {
  return request("PATCH", `/api/rooms/${encodeURIComponent(id)}/settings`, { key, value });
}

/** Who could enter now, and what they could do. */
export async function roomEntry(id: string): Promise<Line[]> {
  return (await request<{ lines: Line[] }>("GET", `/api/rooms/${encodeURIComponent(id)}/entry`)).lines;
}

export async function previewRoomSetting(id: string, key: string, value: string): Promise<Line[]> {
  const query = new URLSearchParams({ key, value });
  return (await request<{ lines: Line[] }>("GET", `/api/rooms/${encodeURIComponent(id)}/settings/preview?${query}`)).lines;
}

/** All or nothing; `kept` is what the organisation has locked otherwise. */
export function applyRoomPreset(id: string, preset: Preset): Promise<PresetApplied> {
  return request("POST", `/api/rooms/${encodeURIComponent(id)}/preset`, { preset });
}

export function organisationSettings(): Promise<Organisation> {
  return request("GET", "/api/organisation/settings");
}

export function changeOrganisationOptions(options: Partial<Options>): Promise<Options> {
  return request("PATCH", "/api/organisation/options", options);
}

export function changeOrganisationSetting(key: string, value: string, locked: boolean): Promise<SettingView> {
  return request("PATCH", "/api/organisation/settings", { key, value, locked });
}

export async function guestLinks(room: string): Promise<GuestLinkView[]> {
  return (await request<GuestLinkList>("GET", `/api/rooms/${encodeURIComponent(room)}/guest-links`)).links;
}

export function makeGuestLink(room: string, label: string, hours: number): Promise<GuestLinkMade> {
  return request("POST", `/api/rooms/${encodeURIComponent(room)}/guest-links`, { label, expires_in_hours: hours });
}

export function revokeGuestLink(room: string, link: string): Promise<void> {
  return request("DELETE", `/api/rooms/${encodeURIComponent(room)}/guest-links/${encodeURIComponent(link)}`);
}

export async function streamTokens(room: string): Promise<StreamTokenView[]> {
  return (await request<StreamTokenList>("GET", `/api/rooms/${encodeURIComponent(room)}/stream-tokens`)).tokens;
}

/** The tokens are not shown again. */
export function makeStreamToken(room: string, kind: StreamKind, label: string, hours: number): Promise<StreamTokensMade> {
  return request("POST", `/api/rooms/${encodeURIComponent(room)}/stream-tokens`, { kind, label, expires_in_hours: hours });
}

/** Answered when its stream is out of the room. */
export function revokeStreamToken(room: string, token: string): Promise<void> {
  return request("DELETE", `/api/rooms/${encodeURIComponent(room)}/stream-tokens/${encodeURIComponent(token)}`);
}

/** What hosts chose about the speech of a room: its languages, and words that come up. */
export function roomSpeech(room: string): Promise<SpeechView> {
  return request("GET", `/api/rooms/${encodeURIComponent(room)}/speech`);
}

/** All of it anew; refused as stale if somebody else changed it since that revision. A meeting that runs follows at once. */
export function changeRoomSpeech(room: string, speech: SpeechView): Promise<SpeechView> {
  return request("PUT", `/api/rooms/${encodeURIComponent(room)}/speech`, speech);
}

/** What was kept of what was said, the latest session first: for the owner and hosts. */
export async function transcripts(room: string): Promise<TranscriptView[]> {
  return (await request<TranscriptList>("GET", `/api/rooms/${encodeURIComponent(room)}/transcripts`)).transcripts;
}

/** The file of one transcript: `language` is `original` or one of its languages. */
export function transcriptFile(room: string, transcript: string, language: string, format: TranscriptFormat): Promise<Blob> {
  return file(`/api/rooms/${encodeURIComponent(room)}/transcripts/${encodeURIComponent(transcript)}/${encodeURIComponent(language)}.${format}`);
}

/** Gone for good. */
export function deleteTranscript(room: string, transcript: string): Promise<void> {
  return request("DELETE", `/api/rooms/${encodeURIComponent(room)}/transcripts/${encodeURIComponent(transcript)}`);
}

/** What was decided, the newest first: of one room for its hosts, of the organisation for admins. */
export function audit(filter: AuditFilter, room?: string): Promise<AuditPage> {
  const query = new URLSearchParams(Object.entries(filter).map(([key, value]) => [key, String(value)]));
  return request("GET", `${room === undefined ? "/api/organisation/audit" : `/api/rooms/${encodeURIComponent(room)}/audit`}?${query}`);
}

/** The name and picture that one comes with the next time. */
export function changeMe(change: { name?: string; picture?: string | null }): Promise<Me> {
  return request("PATCH", "/api/me", change);
}

/** Gives the id by which the re-encoded picture is shown. */
export async function uploadPicture(picture: Blob): Promise<string> {
  return (await request<{ picture: string }>("PUT", "/api/picture", picture)).picture;
}

export function picture(hash: string): Promise<Blob> {
  return file(`/api/pictures/${encodeURIComponent(hash)}`, "default");
}
