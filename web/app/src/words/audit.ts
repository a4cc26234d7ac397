// The audit log in plain words. An action that this page does not know is shown by its name rather than hidden.

import type { AuditRowView, AuditVerdict } from "@conclave/sdk";

const WORDS: Readonly<Record<string, string>> = {
  enter: "Come in without waiting",
  knock: "Knock",
  resume: "Come back",
  admit: "Let someone in",
  deny: "Turn someone away",
  see_lobby: "See who waits",
  message_waiting: "Message those who wait",
  publish_microphone: "Turn on the microphone",
  publish_camera: "Turn on the camera",
  publish_screen: "Share the screen",
  publish_screen_audio: "Share the screen’s sound",
  unpublish: "Turn something off",
  connect: "Connect sound and pictures",
  watch: "Watch and listen",
  ask: "Ask for a right",
  raise_hand: "Raise a hand",
  mute: "Mute someone",
  pause_video: "Pause someone’s video",
  stop_share: "Stop someone’s share",
  grant: "Give a right",
  withdraw: "Withdraw a right",
  spotlight: "Spotlight",
  set_role: "Change a role",
  send_back: "Send back to the waiting room",
  remove: "Remove someone",
  bar: "Bar someone",
  unbar: "Lift a bar",
  see_bars: "See who is barred",
  transfer_ownership: "Hand over the room",
  lock: "Lock the room",
  unlock: "Unlock the room",
  suspend: "Suspend",
  lift_suspension: "Lift the suspension",
  change_setting: "Change a setting",
  change_org_setting: "Change a setting of the organisation",
  change_option: "Change an option of the organisation",
  end_session: "End the meeting",
  leave: "Leave",
  write_chat: "Write in the chat",
  read_chat: "Read the chat",
  read_earlier_chat: "Read the earlier chat",
  delete_chat: "Delete a message",
  listen: "Listen, to make captions",
  publish_cue: "Make a caption",
  choose_captions: "Choose captions to read",
  read_captions: "Read captions",
  refuse_captions: "Refuse to be captioned",
  allow_captions: "Allow captions again",
  keep_transcript: "Keep what was said",
  change_speech: "Choose languages and words for captions",
  read_transcript: "Read a transcript",
  delete_transcript: "Delete a transcript",
  change_profile: "Change name or picture",
  decide_profile: "Decide on a name or picture",
  link_identity: "Link an identity elsewhere",
  read_members: "See who has an account",
  manage_member: "Change or end an account",
  manage_admin: "Change or end an administrator's account",
  manage_api_keys: "Make or revoke API keys",
  list_rooms: "List all rooms",
  change_embedders: "Choose which other pages may bring people in",
  rename_room: "Rename the room",
  see_session: "See who is in, from outside",
  make_join_token: "Make a join token",
  unlink_identity: "Unlink an identity elsewhere",
  add_passkey: "Add a passkey",
  rename_passkey: "Rename a passkey",
  remove_passkey: "Remove a passkey",
  make_recovery_codes: "Make recovery codes",
  change_own_password: "Change the own password",
  change_email: "Change the e-mail address",
  end_own_sessions: "Sign out elsewhere",
  see_participant: "See a person",
  see_count: "See how many are here",
  see_stats: "See the counters",
  manage_guest_links: "Make or take back guest links",
  create_room: "Create a room",
  end_room: "Delete a room",
  read_room: "Read about a room",
  read_password: "Read the room’s password",
  change_password: "Change the room’s password",
  invite_account: "Invite a member",
  read_audit: "Read the room’s audit log",
  read_organisation: "Read the organisation’s settings",
  read_organisation_audit: "Read the organisation’s audit log",
  end_sessions: "End every session",
  sessions_ended: "Every session was ended by the operator",
  read_webhooks: "Read the webhooks",
  manage_webhooks: "Make or change a webhook",
  session_reused: "Use a session in two places",
  session_copied: "Show a copy of a session",
  rules_swapped: "New rules took effect",
};

export const ACTIONS: readonly { value: string; label: string }[] = Object.entries(WORDS)
  .map(([value, label]) => ({ value, label }))
  .sort((a, b) => a.label.localeCompare(b.label));

export function actionWords(action: string): string {
  return WORDS[action] ?? action.charAt(0).toUpperCase() + action.slice(1).replaceAll("_", " ");
}

export const VERDICT: Readonly<Record<AuditVerdict, string>> = { permitted: "Permitted", denied: "Denied", noted: "Noted" };

/** Which rule decided: a line of the server's rules or of the organisation's. */
export function ruleWords(row: Pick<AuditRowView, "rule" | "verdict" | "policy_version">): string {
  if (row.rule !== null) return `${row.rule.file === "server" ? "Server" : "Organisation"} rule ${row.rule.line}, version ${row.policy_version}`;
  return row.verdict === "denied" ? "No rule permits it" : "";
}
