// What a setting means for people, in plain words.

import type { Answer, What } from "@conclave/sdk";

const WHAT: Readonly<Record<What, string>> = {
  enter: "comes in",
  enter_without_password: "comes in without the password",
  enter_before_host: "comes in before a host",
  enter_late: "comes in long after the start",
  return_after_removal: "comes back after being removed",
  be_heard: "is heard",
  be_seen: "is seen",
  share: "shares a screen",
  see_roster: "sees who is here",
  see_count: "sees how many are here",
  write_chat: "writes in the chat",
  read_chat: "reads the chat",
  read_earlier_chat: "reads what was written before they came",
};

const ANSWERS: Readonly<Record<Answer, string>> = {
  directly: "At once",
  waits: "Waits for a host",
  refused: "Turned away",
  yes: "Yes",
  asks: "Asks first",
  no: "No",
  everyone: "Everyone",
  hosts_and_speakers: "Hosts and speakers",
};

export function whatWords(what: What): string {
  return WHAT[what];
}

export function answerWords(answer: Answer): string {
  return ANSWERS[answer];
}
