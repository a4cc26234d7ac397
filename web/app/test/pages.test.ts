// The other view models: the chat's log, settings, the audit's filters, addresses.

import { expect, test } from "vitest";
import type { ChatView } from "@conclave/sdk";
import { ALL, asked, isVerdict } from "../src/audit/filter";
import { allRead, deleted, EMPTY, follows, received, withPage } from "../src/chat/log";
import { routeOf } from "../src/route";
import { asksFirst, different, FOLLOW, levelWords, mayChange, mayFollow, relaxes, whoMay } from "../src/settings/relax";
import { actionWords, ruleWords } from "../src/words/audit";
import { answerWords, whatWords } from "../src/words/preview";
import { settingOf } from "./people";

function line(number: number, more: Partial<ChatView> = {}): ChatView {
  return { number, at: number * 1_000, participant: "member", name: "Member", role: "attendee", text: `line ${number}`, deleted: false, ...more };
}

test("what comes while one looks elsewhere is unread once, however often it comes", () => {
  let log = received(EMPTY, line(7), false);
  log = received(log, line(7), false);
  log = received(log, line(8), true);
  expect([log.unread, log.messages.length]).toEqual([1, 2]);
  expect(allRead(log).unread).toBe(0);
});

test("older pages come before, in the order of the numbers, and say where the next begins", () => {
  let log = received(EMPTY, line(9), true);
  log = withPage(log, { messages: [line(9), line(8), line(7)], more: true, next: 7 });
  expect(log.messages.map((message) => message.number)).toEqual([7, 8, 9]);
  expect(log.next).toBe(7);
  log = withPage(log, { messages: [line(2)], more: false });
  expect([log.messages[0]?.number, log.next]).toEqual([2, null]);
});

test("a deleted message keeps its place and loses its words", () => {
  const log = deleted(withPage(EMPTY, { messages: [line(1), line(2)], more: false }), 1);
  expect(log.messages[0]).toMatchObject({ number: 1, text: "", deleted: true });
  expect(log.messages[1]?.text).toBe("line 2");
});

test("lines of one person shortly after each other stand together", () => {
  expect(follows(line(1), line(2))).toBe(true);
  expect(follows(line(1), line(2, { participant: "jun" }))).toBe(false);
  expect(follows(line(1), line(2, { at: 3_600_000 }))).toBe(false);
  expect(follows(undefined, line(1))).toBe(false);
});

test("a value further down the list is a relaxation, one further up is not", () => {
  const setting = settingOf("waiting_room", "b");
  expect([relaxes(setting, "a"), relaxes(setting, "b"), relaxes(setting, "c")]).toEqual([false, false, true]);
});

test("a room may follow its organisation again where it has a choice of its own, and sees first what that does", () => {
  expect(mayFollow(settingOf("x", "a", { level: "room" }))).toBe(true);
  expect(mayFollow(settingOf("x", "a", { level: "organisation" }))).toBe(false);
  expect(mayFollow(settingOf("x", "a", { level: "room", may_change: false }))).toBe(false);
  expect([FOLLOW, "a", "c"].map((value) => asksFirst(settingOf("x", "b"), value))).toEqual([true, false, true]);
});

test("nothing is offered that the server would refuse or that has no effect", () => {
  expect(mayChange(settingOf("x"))).toBe(true);
  expect(mayChange(settingOf("x", "a", { may_change: false }))).toBe(false);
  expect(mayChange(settingOf("x", "a", { built: false }))).toBe(false);
  expect(mayChange(settingOf("x", "a", { relax: "fixed" }))).toBe(false);
  expect(mayChange(settingOf("x", "a", { values: ["a"] }))).toBe(false);
});

test("who may relax a setting and where it comes from is said", () => {
  expect(whoMay(settingOf("x"))).toBe("Hosts may change it.");
  expect(whoMay(settingOf("x", "a", { relax: "admin" }))).toMatch(/administrator/u);
  expect(whoMay(settingOf("x", "a", { locked: true }))).toMatch(/locked/u);
  expect(whoMay(settingOf("x", "a", { relax: "fixed" }))).toMatch(/^Nobody/u);
  expect(levelWords(settingOf("x", "a", { level: "organisation" }))).toBe("Set by the organisation");
});

test("of a preview only what changes is shown, in words", () => {
  const same = { who: "host", what: "enter", now: "directly", then: "directly" } as const;
  const other = { who: "guest", what: "enter", now: "refused", then: "waits" } as const;
  expect(different([same, other])).toEqual([other]);
  expect([whatWords("enter"), answerWords("waits")]).toEqual(["comes in", "Waits for a host"]);
});

test("the audit trail is asked only for what was chosen", () => {
  expect(asked(ALL, undefined)).toEqual({});
  const wanted = { verdict: "denied", action: "admit", actor: { id: "a1", words: "Member" }, room: { id: "r1", words: "Board" }, from: "", to: "" } as const;
  expect(asked(wanted, 40)).toEqual({ before: 40, verdict: "denied", action: "admit", actor: "a1", room: "r1" });
  // A day is wanted whole, as the person's own calendar has it.
  const day = new Date(2026, 10, 21).getTime();
  expect(asked({ ...ALL, from: "2026-11-21", to: "2026-11-21" }, undefined)).toEqual({ from: day, to: new Date(2026, 10, 22).getTime() });
  expect(asked({ ...ALL, from: "soon" }, undefined)).toEqual({});
  expect([isVerdict("denied"), isVerdict("")]).toEqual([true, false]);
});

test("a row names its action and its rule", () => {
  expect([actionWords("admit"), actionWords("brand_new")]).toEqual(["Let someone in", "Brand new"]);
  expect(ruleWords({ rule: { file: "organisation", line: 4 }, verdict: "denied", policy_version: 9 })).toBe("Organisation rule 4, version 9");
  expect(ruleWords({ rule: null, verdict: "denied", policy_version: 1 })).toBe("No rule permits it");
});

test("addresses lead to their pages, and nowhere else", () => {
  const room = "a".repeat(26);
  expect(routeOf(`/g/${room}`, "#secret")).toEqual({ page: "guest", room, secret: "secret" });
  expect(routeOf(`/r/${room}`, "")).toEqual({ page: "room", room });
  expect(routeOf(`/r/${room}/audit`, "")).toEqual({ page: "manage", room, part: "audit" });
  expect(routeOf("/organisation/audit", "")).toEqual({ page: "organisation", part: "audit" });
  expect(routeOf("/organisation/sign-in", "")).toEqual({ page: "organisation", part: "sign-in" });
  for (const path of [`/g/${room}/audit`, `/r/${room}/other`, "/r/short", "/organisation/other"]) expect(routeOf(path, "").page).toBe("unknown");
});
