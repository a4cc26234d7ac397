// The folding of events into the view.

import { expect, test } from "vitest";
import type { KnockView } from "../src/generated/KnockView";
import { applyEvent, isModerator, ownLine } from "../src/room";
import { participant, roomView, YOU } from "./fakes";

const KNOCK: KnockView = { knock: "k1", version: 1, name: "Guest", signed_in: false, since: 1, while_locked: false, denied_before: 0, identity: { kind: "unverified" }, first_seen: 1, suspected: false, similar_to: null, agreed_by: null, picture: null };

test("people come, change and go", () => {
  let room = applyEvent(roomView(), { type: "participant_joined", participant: participant("member") });
  room = applyEvent(room, { type: "participant_changed", participant: participant("member", {}, { hand: true }) });
  expect(room.participants.map((p) => [p.participant, p.hand])).toEqual([
    [YOU, false],
    ["member", true],
  ]);
  room = applyEvent(room, { type: "participant_left", participant: "member", reason: "left" });
  expect(room.participants.length).toBe(1);
});

test("a knock is shown in its newest version until it is gone", () => {
  let room = applyEvent(roomView(), { type: "knocked", knock: KNOCK });
  room = applyEvent(room, { type: "knocked", knock: { ...KNOCK, version: 2, name: "Guest Two" } });
  expect(room.knocks).toEqual([{ ...KNOCK, version: 2, name: "Guest Two" }]);
  expect(applyEvent(room, { type: "knock_gone", knock: "k1" }).knocks).toEqual([]);
});

test("who stops hosting no longer holds the lobby", () => {
  const hosting = applyEvent(roomView(), { type: "lobby", knocks: [KNOCK] });
  expect(hosting.knocks?.length).toBe(1);
  expect("knocks" in applyEvent(hosting, { type: "lobby" })).toBe(false);
});

test("who lacks the second factor holds no lobby and no count, and is told when it is there", () => {
  const hosting = { ...applyEvent(roomView(), { type: "lobby", knocks: [KNOCK] }), lobby: { waiting: 1, suspected: 0 } };
  const lacking = applyEvent(applyEvent(hosting, { type: "second_factor", missing: true }), { type: "lobby" });
  expect(lacking.lacks_factor).toBe(true);
  expect("knocks" in lacking || "lobby" in lacking).toBe(false);
  expect(applyEvent(lacking, { type: "second_factor", missing: false }).lacks_factor).toBe(false);
});

test("the lock, a setting and the count are taken over", () => {
  const setting = { key: "sign_in", value: "required", values: ["required", "guests_may_knock"], relax: "host", built: true, level: "default" as const, locked: false, may_change: true };
  let room = roomView(participant(YOU), { settings: [setting] });
  room = applyEvent(room, { type: "locked", locked: true });
  room = applyEvent(room, { type: "setting_changed", setting: { ...setting, value: "guests_may_knock" }, by: "Host" });
  room = applyEvent(room, { type: "count", count: 3 });
  expect(room).toMatchObject({ locked: true, count: 3, settings: [{ value: "guests_may_knock" }] });
});

test("what does not concern the view leaves it as it is", () => {
  const room = roomView();
  expect(applyEvent(room, { type: "speaking", participants: [YOU] })).toBe(room);
});

test("owners and hosts moderate, nobody else", () => {
  expect(["owner", "host", "presenter", "attendee", "guest", "observer"].map((role) => isModerator(participant(YOU, {}, { role: role as "owner" })))).toEqual([
    true,
    true,
    false,
    false,
    false,
    false,
  ]);
  expect(isModerator(ownLine(roomView()))).toBe(false);
});
