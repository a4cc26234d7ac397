// The events of the room in words: a notice for what a person should know, with what they can do about it.

import type { CaptionsView, KnockView, ParticipantView, RoomEvent, Source } from "@conclave/sdk";
import { captionsSaid, JOIN_TRANSCRIPT, switchSaid } from "../words/captions";
import { askButton, kindSaid, lockSaid, saidOf, settingSaid, suspendSaid } from "../words/notices";
import { ASK, identityWords } from "../words/people";
import { knockHeard } from "./alert";
import type { Meeting } from "./model";

export function tell(meeting: Meeting, event: RoomEvent): void {
  switch (event.type) {
    case "done_to_you":
      doneToYou(meeting, event);
      return;
    case "asked":
      asked(meeting, event);
      return;
    case "knocked":
      knocked(meeting, event);
      return;
    case "knock_gone":
      meeting.notices.withdraw(`knock.${event.knock}`);
      return;
    case "lobby":
      if (event.knocks === undefined) meeting.withdrawKnocks();
      else tellWaiting(meeting);
      return;
    case "locked":
      meeting.notices.say(lockSaid(event.locked, event.by), { topic: "locked" });
      return;
    case "suspended":
      meeting.notices.say(suspendSaid(event.suspended, event.by), { topic: "suspended", tone: event.suspended ? "warn" : "plain" });
      return;
    case "setting_changed":
      settingChanged(meeting, event);
      return;
    case "kind_changed":
      meeting.notices.say(kindSaid(event.kind, event.by), { topic: "kind" });
      return;
    case "two_person_admission":
      meeting.notices.say(event.on ? "From now on two hosts must agree before someone who waits comes in." : "One host is enough again to let in someone who waits.", { topic: "two_person_admission" });
      return;
    case "spotlight":
      if (event.participant !== null) meeting.layout.value = "speaker";
      return;
    case "chat":
      meeting.chat.take(event.message);
      if (meeting.panel.value !== "chat" && event.message.participant !== meeting.room.value?.you) {
        meeting.notices.say(`${event.message.name} wrote in the chat.`, { topic: "chat", actions: [{ label: "Read", run: () => meeting.open("chat") }], stay: false });
      }
      return;
    case "chat_deleted":
      meeting.chat.takeBack(event.number);
      return;
    case "profile_pending":
      pending(meeting, event);
      return;
    case "profile_gone":
      if (event.participant === meeting.room.value?.you) meeting.ownChange.value = "none";
      meeting.notices.withdraw(`profile.${event.participant}`);
      return;
    case "captions":
      captionsChanged(meeting, event);
      return;
    case "participant_left":
    case "settings":
    case "lobby_count":
    case "may_chat":
    // The banner says it for as long as it lasts.
    case "second_factor":
    case "participant_joined":
    case "participant_changed":
    case "count":
    case "slots":
    case "undecodable":
    case "layers":
    case "speaking":
    case "media":
      return;
  }
}

/** Whoever comes in is told what listens here before they say anything, and, if they decide, who waits. */
export function toldOnEntry(meeting: Meeting, captions: CaptionsView): void {
  meeting.captionsWere = captions.state;
  meeting.captionsOutside = captions.outside;
  if (captions.state === "on" || captions.state === "delayed" || captions.state === "limited") captionsNotice(meeting, captionsSaid(captions));
  if (captions.transcript) meeting.notices.say(JOIN_TRANSCRIPT, { topic: "transcript", tone: "key", stay: true });
  tellWaiting(meeting);
}

/** Of those who waited before somebody came to decide, as after a restart of the server, no event tells. */
function tellWaiting(meeting: Meeting): void {
  const [first] = meeting.knocks.value;
  if (first !== undefined) tellKnock(meeting, first, meeting.waiting.value > 1);
}

function settingChanged(meeting: Meeting, event: RoomEvent & { type: "setting_changed" }): void {
  const { setting, by } = event;
  const said = switchSaid(setting, by);
  if (said === null) meeting.notices.say(settingSaid(setting, by), { topic: `setting.${setting.key}` });
  else if (setting.key === "captions" && setting.value === "on") captionsNotice(meeting, said);
  else meeting.notices.say(said, { topic: setting.key, tone: setting.value === "on" ? "key" : "plain", stay: setting.value === "on" });
}

function captionsNotice(meeting: Meeting, text: string): void {
  meeting.notices.say(text, {
    topic: "captions",
    tone: "key",
    actions: [
      { label: "Read captions", run: () => meeting.openCaptions("live") },
      { label: "Do not caption me", run: () => meeting.captionMe(false) },
    ],
  });
}

/** Said to those whom it concerns: readers, and hosts. */
function captionsChanged(meeting: Meeting, event: RoomEvent & { type: "captions" }): void {
  const was = meeting.captionsWere;
  meeting.captionsWere = event.state;
  // It stands in the place of what was said when they were turned on.
  if (event.outside && !meeting.captionsOutside) captionsNotice(meeting, captionsSaid(event));
  meeting.captionsOutside = event.outside;
  // The open panel says it already.
  if (was === event.state || meeting.panel.value === "captions") return;
  const reads = (meeting.room.value?.caption_choice.language ?? null) !== null;
  if (!reads && !meeting.moderates.value) return;
  const topic = "captions.state";
  if (event.state === "delayed") meeting.notices.say("Captions come late: the server’s machine is busy.", { topic });
  else if (event.state === "limited") meeting.notices.say("Somebody who speaks is not captioned just now.", { topic, tone: "warn", actions: [{ label: "Why", run: () => meeting.openCaptions("live") }], stay: false });
  else if (event.state === "unavailable") {
    meeting.notices.say("There are no captions just now.", { topic, tone: "warn", actions: [{ label: "Why", run: () => meeting.openCaptions("live") }], stay: false });
  } else if (event.state === "on" && (was === "delayed" || was === "limited" || was === "unavailable")) meeting.notices.say("Captions come again as usual.", { topic });
}

function doneToYou(meeting: Meeting, event: RoomEvent & { type: "done_to_you" }): void {
  const { what, by } = event;
  if (what.act === "profile_approved" || what.act === "profile_refused") meeting.ownChange.value = "none";
  const { text, askFor } = saidOf(what, by);
  const actions = askFor === undefined ? [] : [{ label: askButton(askFor), run: () => meeting.ask(askFor) }];
  meeting.notices.say(text, { tone: askFor === undefined ? "plain" : "warn", actions, topic: topicOf(what) });
}

function asked(meeting: Meeting, event: RoomEvent & { type: "asked" }): void {
  const who = person(meeting, event.participant);
  if (who === undefined) return;
  meeting.notices.say(`${who.name} asks ${ASK[event.source]}.`, {
    tone: "key",
    topic: `asked.${event.participant}.${event.source}`,
    actions: [{ label: "Allow", run: () => meeting.attempt(() => meeting.client.allow(event.participant, event.source, true)) }],
  });
}

function knocked(meeting: Meeting, event: RoomEvent & { type: "knocked" }): void {
  knockHeard();
  tellKnock(meeting, event.knock, meeting.waiting.value > 3);
}

function tellKnock(meeting: Meeting, knock: KnockView, many: boolean): void {
  // The open list shows and announces it already.
  if (meeting.panel.value === "people" && meeting.peopleTab.value === "waiting") return;
  const see = { label: "See who waits", run: () => meeting.open("people", "waiting") };
  if (many || knock.suspected) {
    meeting.notices.say(meeting.waiting.value === 1 ? "One person waits." : `${meeting.waiting.value} people wait.`, { tone: "key", topic: "knock.many", actions: [see] });
    return;
  }
  meeting.notices.say(`${knock.name} (${identityWords(knock)}) knocks${knock.while_locked ? " while the room is locked" : ""}.`, {
    tone: "key",
    topic: `knock.${knock.knock}`,
    actions: [{ label: "Let in", run: () => meeting.letIn(knock) }, see],
  });
}

function pending(meeting: Meeting, event: RoomEvent & { type: "profile_pending" }): void {
  if (meeting.panel.value === "people" && meeting.peopleTab.value === "changes") return;
  meeting.notices.say(`${event.old.name} wants to change how they are shown.`, {
    tone: "key",
    topic: `profile.${event.participant}`,
    actions: [{ label: "See the change", run: () => meeting.open("people", "changes") }],
  });
}

function person(meeting: Meeting, id: string): ParticipantView | undefined {
  return meeting.room.value?.participants.find((p) => p.participant === id);
}

function topicOf(what: { act: string; source?: Source }): string {
  switch (what.act) {
    case "muted":
      return "right.microphone";
    case "video_paused":
      return "right.camera";
    case "share_stopped":
      return "right.screen";
    case "allowed":
    case "disallowed":
      return `right.${what.source ?? ""}`;
    case "role_changed":
      return "role";
    default:
      return "profile";
  }
}
