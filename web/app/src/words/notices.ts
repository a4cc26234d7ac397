// The sentences for what is done to a person and for what changes in the room.

import type { DoneToYou, MediaStatus, Role, RoomKind, SettingView, Source } from "@conclave/sdk";
import { ROLE, SOURCE } from "./people";
import { settingTitle, valueWords } from "./settings";

export interface Said {
  text: string;
  /** The source that the person can now ask for. */
  askFor?: Source;
}

export function saidOf(what: DoneToYou, by: string): Said {
  switch (what.act) {
    case "muted":
      return { text: `${by} muted you. You can ask to speak.`, askFor: "microphone" };
    case "video_paused":
      return { text: `${by} paused your video. You can ask to show it again.`, askFor: "camera" };
    case "share_stopped":
      return { text: `${by} stopped your screen share. You can ask to share again.`, askFor: "screen" };
    case "allowed":
      return { text: `${by} allows you ${allowedWords(what.source)}. Nothing starts by itself: you turn it on when you want.` };
    case "disallowed":
      return { text: `${by} does not allow you ${allowedWords(what.source)} for now. You can ask.`, askFor: what.source };
    case "profile_approved":
      return { text: `${by} approved your change. Everyone sees it now.` };
    case "profile_refused":
      return { text: `${by} did not approve your change. You are shown as before.` };
    case "role_changed":
      return { text: `${by} made you ${withArticle(what.role)}. ${roleMeans(what.role)}` };
  }
}

export function lockSaid(locked: boolean, by: string | undefined): string {
  if (by === undefined) return locked ? "The room locked itself. Whoever knocks now waits." : "The room is open again.";
  return locked ? `${by} locked the room. Whoever knocks now waits.` : `${by} unlocked the room.`;
}

export function suspendSaid(suspended: boolean, by: string): string {
  return suspended
    ? `${by} suspended the meeting. Every microphone, camera and share is off, and the room is locked.`
    : `${by} lifted the suspension. Nothing starts by itself: turn on what you need.`;
}

export function kindSaid(kind: RoomKind, by: string): string {
  return kind === "webinar" ? `${by} made this a webinar: whoever is not a host or presenter watches.` : `${by} made this a meeting again.`;
}

export function settingSaid(setting: SettingView, by: string): string {
  return `${by} changed “${settingTitle(setting.key)}” to: ${valueWords(setting.key, setting.value)}.`;
}

export function askButton(source: Source): string {
  switch (source) {
    case "microphone":
      return "Ask to speak";
    case "camera":
      return "Ask to show video";
    case "screen":
    case "screen_audio":
      return "Ask to share";
  }
}

export function stoppedSaid(source: Source, cause: "moderator" | "device" | "connection"): string | null {
  switch (cause) {
    case "moderator":
      return null;
    case "device":
      return source === "screen" || source === "screen_audio" ? "Your screen is no longer shared." : `Your ${SOURCE[source]} stopped, so it was turned off.`;
    case "connection":
      return `Your ${SOURCE[source]} went off with the connection. Turn it on again when you want.`;
  }
}

/** What stands at the head of the meeting while sound and pictures do not work; `again` where the person can have another try made. */
export function mediaSaid(status: MediaStatus): { text: string; again?: string } | null {
  switch (status) {
    case "connecting":
    case "connected":
      return null;
    case "failed":
      return { text: "Sound and pictures do not get through. They are being set up again." };
    case "refused":
      return { text: "The server does not take up sound and pictures from this browser. It is asked again every few seconds; another browser may do better. All else goes on.", again: "Ask now" };
    case "impossible":
      return { text: "This browser makes no connection for sound and pictures, and so you hear and see nobody. Look at what it allows on this page, or use another one. All else goes on.", again: "Try again" };
  }
}

function allowedWords(source: Source): string {
  switch (source) {
    case "microphone":
      return "to speak";
    case "camera":
      return "to show your camera";
    case "screen":
    case "screen_audio":
      return "to share your screen";
  }
}

function withArticle(role: Role): string {
  const word = ROLE[role].toLowerCase();
  return /^[aeiou]/u.test(word) ? `an ${word}` : `a ${word}`;
}

function roleMeans(role: Role): string {
  switch (role) {
    case "host":
      return "You can let people in, mute and remove, and change the settings.";
    case "presenter":
      return "Presenters may share their screen.";
    default:
      return "";
  }
}
