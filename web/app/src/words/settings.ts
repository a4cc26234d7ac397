// The settings of a room in plain words: what each decides, what each value means, in groups. The server names keys and
// values; one that this page does not know is shown by its name rather than hidden.

import type { SettingView } from "@conclave/sdk";

interface Words {
  title: string;
  about: string;
  values: Readonly<Record<string, string>>;
}

export interface SettingGroup {
  title: string;
  keys: readonly string[];
}

export const GROUPS: readonly SettingGroup[] = [
  {
    title: "The door",
    keys: ["waiting_room", "sign_in", "password", "start", "lock_after_start", "last_host_leaves", "removed_may_return", "resume_window"],
  },
  { title: "Who is seen and heard", keys: ["microphone", "camera", "screen_share", "remote_unmute"] },
  { title: "What people see of each other", keys: ["guest_roster", "participant_count", "profile_change"] },
  { title: "Limits", keys: ["max_participants", "sessions_per_identity", "session_length", "room_creation"] },
  { title: "Chat", keys: ["room_chat", "private_chat", "files", "live_links", "chat_history", "chat_retention", "reactions"] },
  { title: "Captions and recording", keys: ["captions", "transcript", "transcript_retention", "caption_engine", "live_stream", "recording", "audit_log"] },
];

const OFF_ON = { off: "Off", on: "On" };

const WORDS: Readonly<Record<string, Words>> = {
  waiting_room: {
    title: "Waiting room",
    about: "Who waits outside until a host lets them in. Guests always wait.",
    values: { everyone: "Everyone but owner and hosts", guests_only: "Guests only", nobody: "Nobody" },
  },
  sign_in: {
    title: "Sign-in",
    about: "Whether someone without an account may knock. A guest’s name is not verified.",
    values: { required: "Required", guests_may_knock: "Guests may knock" },
  },
  password: {
    title: "Password",
    about: "Whether the room’s password must be typed on the way in.",
    values: { required: "Required", none: "Not needed" },
  },
  room_creation: {
    title: "Creating rooms",
    about: "Which accounts may create rooms.",
    values: { with_right: "Accounts with the right", any_account: "Any account" },
  },
  start: {
    title: "Start",
    about: "Whether the meeting can begin before a host is here.",
    values: { host_present: "Only with a host", anytime: "At any time" },
  },
  last_host_leaves: {
    title: "When the last host leaves",
    about: "Nobody is made host by the server.",
    values: { lock: "The room locks", stay_open: "The room stays as it is" },
  },
  lock_after_start: {
    title: "Lock by itself",
    about: "Some time after the start the room locks. People may still knock, and hosts see that they came late.",
    values: { ten_minutes: "After 10 minutes", thirty_minutes: "After 30 minutes", never: "Never" },
  },
  max_participants: {
    title: "Participants at most",
    about: "How many may be in the room at once.",
    values: { hundred: "100", three_hundred: "300", thousand: "1000" },
  },
  removed_may_return: {
    title: "Removed people",
    about: "Whether someone whom a host removed may knock again in this session.",
    values: { no: "Stay out", yes: "May knock again" },
  },
  sessions_per_identity: {
    title: "Devices per person",
    about: "How often the same account may be in the room at once.",
    values: { one: "One", two: "Two", five: "Five" },
  },
  resume_window: {
    title: "Coming back",
    about: "How long a lost connection or a crashed tab may come straight back.",
    values: { two_minutes: "2 minutes", ten_minutes: "10 minutes" },
  },
  microphone: {
    title: "Microphones",
    about: "Everyone enters muted.",
    values: { attendees_speak_guests_ask: "Attendees may speak, guests ask first", everyone_speaks: "Everyone may speak" },
  },
  camera: {
    title: "Cameras",
    about: "Everyone enters with the camera off.",
    values: { attendees_may_guests_ask: "Attendees may, guests ask first", everyone_may: "Everyone may" },
  },
  screen_share: {
    title: "Screen sharing",
    about: "Who may share a screen without asking.",
    values: { hosts_and_presenters: "Hosts and presenters", attendees: "Attendees too", everyone: "Everyone, guests too" },
  },
  remote_unmute: {
    title: "Switching on for others",
    about: "Nobody can switch on another person’s microphone or camera. A host can only ask.",
    values: { request_only: "Never; a request only" },
  },
  profile_change: {
    title: "New names and pictures",
    about: "What happens when someone changes their name during the meeting.",
    values: { held_for_approval: "A host approves first", free: "Shown at once" },
  },
  guest_roster: {
    title: "What guests see",
    about: "Whom a guest sees in the list of people.",
    values: { hosts_and_speakers: "Hosts and current speakers", everyone: "Everyone" },
  },
  participant_count: {
    title: "Number of people",
    about: "Who sees how many are here.",
    values: { hosts_only: "Hosts only", everyone: "Everyone" },
  },
  room_chat: {
    title: "Room chat",
    about: "Who may write to everyone. All who were let in can read.",
    values: { hosts_write: "Hosts write", everyone_writes: "Everyone writes" },
  },
  private_chat: { title: "Private chat", about: "Messages between two people.", values: OFF_ON },
  files: { title: "Files", about: "Sending files in the chat.", values: OFF_ON },
  live_links: { title: "Links", about: "Whether links in the chat can be clicked.", values: OFF_ON },
  chat_history: {
    title: "Chat for latecomers",
    about: "How far back someone can read.",
    values: { from_admission: "From their own entry on", from_start: "From the start" },
  },
  chat_retention: {
    title: "Chat after the meeting",
    about: "How long messages are kept.",
    values: { none: "Not kept", thirty_days: "30 days" },
  },
  reactions: {
    title: "Reactions",
    about: "How reactions are shown.",
    values: { counted: "Counted together", named: "With names" },
  },
  captions: { title: "Captions", about: "What is said is turned into text, on the operator’s own machines. Each person chooses what they read, and may refuse to be captioned.", values: OFF_ON },
  transcript: { title: "Transcript", about: "Whether the text of the captions is kept for the hosts. Everyone is told while it is.", values: OFF_ON },
  transcript_retention: {
    title: "Transcript after the meeting",
    about: "How long a transcript is kept.",
    values: { none: "Not kept", thirty_days: "30 days" },
  },
  caption_engine: {
    title: "Caption engine",
    about: "Where captions are made. Speech is turned into text on the operator’s own machines in any case; the text may be translated there alone, or also by a service that the operator has set up.",
    values: { own_hardware: "On the operator’s own machines only", remote: "Translated also by a service outside" },
  },
  live_stream: {
    title: "Live stream",
    about: "Who may watch a stream of the meeting.",
    values: { off: "Off", signed_in: "Signed-in viewers", public: "Everyone" },
  },
  recording: { title: "Recording", about: "Everyone in the room must agree.", values: { off: "Off", with_consent: "With everyone’s consent" } },
  session_length: {
    title: "Length of a session",
    about: "After this the meeting ends.",
    values: { eight_hours: "8 hours", twenty_four_hours: "24 hours" },
  },
  audit_log: { title: "Audit log", about: "What was done, by whom and when. It cannot be turned off.", values: { on: "On" } },
};

export function settingTitle(key: string): string {
  return WORDS[key]?.title ?? spelled(key);
}

export function settingAbout(key: string): string {
  return WORDS[key]?.about ?? "";
}

export function valueWords(key: string, value: string): string {
  return WORDS[key]?.values[value] ?? spelled(value);
}

/** What a preset did, and what it could not do. */
export function presetSaid(title: string, changed: readonly SettingView[], kept: readonly SettingView[]): string {
  const did = changed.length === 0 ? `The room was already set as “${title}”.` : `Set as “${title}”: ${changed.length === 1 ? "1 setting" : `${changed.length} settings`} changed.`;
  return kept.length === 0 ? did : `${did} The organisation keeps as they are: ${kept.map((setting) => settingTitle(setting.key)).join(", ")}.`;
}

/** Whether it stands looser than the strictest value. */
export function isRelaxed(setting: SettingView): boolean {
  return setting.value !== setting.values[0];
}

/** The groups with the settings that the server sent; unknown ones come last. */
export function grouped(settings: readonly SettingView[]): { title: string; settings: SettingView[] }[] {
  const byKey = new Map(settings.map((setting) => [setting.key, setting]));
  const groups = GROUPS.map(({ title, keys }) => ({
    title,
    settings: keys.flatMap((key) => {
      const setting = byKey.get(key);
      byKey.delete(key);
      return setting === undefined ? [] : [setting];
    }),
  }));
  groups.push({ title: "Other", settings: [...byKey.values()] });
  return groups.filter((group) => group.settings.length > 0);
}

function spelled(name: string): string {
  const text = name.replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}
