// The audit log in plain words. An action that this page does not know is shown by its name rather than hidden.

import type { AuditRowView, AuditVerdict } from "@conclave/sdk";

const WORDS: Readonly<Record<string, string>> = {
  enter: "Enter without waiting",
  knock: "Knock",
  resume: "Come back",
  admit: "Let someone in",
  deny: "Turn someone away",
  see_lobby: "See who waits",
  message_waiting: "Message those who wait",
  publish: "Turn on microphone, camera or share",
  mute: "Mute someone",
  mute_all: "Mute everyone",
  pause_video: "Pause someone’s video",
  stop_share: "Stop someone’s share",
  stop_all_shares: "Stop all shares",
  allow: "Give a right",
  withdraw: "Withdraw a right",
  spotlight: "Spotlight",
  set_role: "Change a role",
  send_back: "Send back to the waiting room",
  remove: "Remove someone",
  bar: "Bar someone",
  unbar: "Lift a bar",
  transfer_ownership: "Hand over the room",
  lock: "Lock or unlock",
  suspend: "Suspend",
  lift_suspension: "Lift the suspension",
  change_setting: "Change a setting",
  end: "End the meeting",
  chat: "Write in the chat",
  delete_chat: "Delete a message",
  change_profile: "Change name or picture",
  decide_profile: "Decide on a name or picture",
  manage_guest_links: "Guest links",
  create_room: "Create a room",
  delete_room: "Delete a room",
};

export const ACTIONS: readonly { value: string; label: string }[] = Object.entries(WORDS).map(([value, label]) => ({ value, label }));

export function actionWords(action: string): string {
  return WORDS[action] ?? action.charAt(0).toUpperCase() + action.slice(1).replaceAll("_", " ");
}

export const VERDICT: Readonly<Record<AuditVerdict, string>> = { permitted: "Permitted", denied: "Denied", noted: "Noted" };

/** Which rule decided: a line of the server's rules or of the organisation's. */
export function ruleWords(row: Pick<AuditRowView, "rule" | "verdict" | "policy_version">): string {
  if (row.rule !== null) return `${row.rule.file === "server" ? "Server" : "Organisation"} rule ${row.rule.line}, version ${row.policy_version}`;
  return row.verdict === "denied" ? "No rule permits it" : "";
}
