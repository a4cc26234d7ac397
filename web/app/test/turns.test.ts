// Loads that overtake each other.

import { api, CallFailed, control, type AuditFilter, type AuditPage, type DeliveryPage, type DeliveryState, type MemberPage, type WebhookLine } from "@conclave/sdk";
import { h } from "preact";
import { expect, test, vi } from "vitest";
import { Deliveries } from "../src/admin/deliveries";
import { Members } from "../src/admin/members";
import { AuditView } from "../src/audit/view";
import { Turns } from "../src/ui/turns";
import { eachHasAPage, page, settled } from "./page";

interface Load<Answer> {
  done: (answer: Answer) => void;
  failed: (failure: unknown) => void;
}

eachHasAPage();

test("only the last of them brings anything, and its next page does", async () => {
  const turns = new Turns();
  const first = turns.begin(Promise.resolve("first"));
  const refused = turns.begin(Promise.reject(new Error("late")));
  const last = turns.begin(Promise.resolve("last"));
  const early = turns.join(() => Promise.resolve("next of the first"));
  expect(await Promise.all([first, refused, last, early])).toEqual([null, null, "last", null]);
  expect(await turns.join(() => Promise.resolve("next"))).toBe("next");
  await expect(turns.begin(Promise.reject(new Error("now")))).rejects.toThrow("now");
  expect(await turns.join(() => Promise.resolve("next of what failed"))).toBeNull();
});

test("what is no longer wanted brings nothing either", async () => {
  const turns = new Turns();
  const load = turns.begin(Promise.resolve("late"));
  turns.end();
  expect(await load).toBeNull();
});

test("the log shows what was asked for last, however late an earlier answer or refusal comes", async () => {
  const loads = new Map<string | undefined, Load<AuditPage>>();
  vi.spyOn(api, "audit").mockImplementation((_, room) => new Promise((done, failed) => loads.set(room, { done, failed })));
  for (const room of ["first", "second", "third"]) await page.show(h(AuditView, { room }));
  loads.get("third")?.done(pageOf("third"));
  await settled();
  loads.get("first")?.done(pageOf("first"));
  loads.get("second")?.failed(new CallFailed("unreachable", "The server cannot be reached."));
  await settled();
  expect(page.text("code").filter((text) => !text.startsWith("conclave"))).toEqual(["third"]);
  expect(page.text("alert")).toEqual([]);
});

test("“Older” goes on from what is shown, not from what was shown before a filter was chosen, and one page at a time", async () => {
  const loads: { filter: AuditFilter; load: Load<AuditPage> }[] = [];
  vi.spyOn(api, "audit").mockImplementation((filter) => new Promise((done, failed) => loads.push({ filter, load: { done, failed } })));
  await page.show(h(AuditView, { room: "room" }));
  loads[0]?.load.done({ ...pageOf("all"), next: 100 });
  await settled();
  await page.put("select", "denied");
  await page.press("Older");
  expect(loads.map(({ filter }) => filter)).toEqual([{}, { verdict: "denied" }]);
  loads[1]?.load.done({ ...pageOf("denied"), next: 50 });
  await settled();
  await page.press("Older");
  await page.press("Older");
  expect(loads.slice(2).map(({ filter }) => filter)).toEqual([{ before: 50, verdict: "denied" }]);
  loads[2]?.load.failed(new CallFailed("unreachable", "Gone."));
  await settled();
  await page.press("Newer");
  expect(loads.at(-1)?.filter).toEqual({ verdict: "denied" });
});

test("deliveries are those of the kind that was chosen last, and earlier ones of that kind follow them", async () => {
  const loads: { asked: [DeliveryState | null, string | null]; load: Load<DeliveryPage> }[] = [];
  vi.spyOn(control, "deliveries").mockImplementation((_, state, after) => new Promise((done, failed) => loads.push({ asked: [state ?? null, after ?? null], load: { done, failed } })));
  await page.show(h(Deliveries, { webhook: { id: "hook" } as WebhookLine }));
  loads[0]?.load.done(deliveriesOf("old", "after-old"));
  await settled();
  await page.put("select", "told");
  await page.put("select", "dead");
  await page.press("Show earlier ones");
  expect(loads.map(({ asked }) => asked)).toEqual([[null, null], ["told", null], ["dead", null]]);
  loads[2]?.load.done(deliveriesOf("dead", "after-dead"));
  await settled();
  loads[1]?.load.done(deliveriesOf("told", "after-told"));
  await settled();
  expect(page.text("li").map((text) => text.includes("dead-1"))).toEqual([true]);
  await page.press("Show earlier ones");
  expect(loads.at(-1)?.asked).toEqual(["dead", "after-dead"]);
  loads.at(-1)?.load.done(deliveriesOf("more", null));
  await settled();
  expect(page.text("li").length).toBe(2);
});

test("deliveries that could not be loaded are asked for again while something is on its way", async () => {
  const loads: { asked: [DeliveryState | null, string | null]; load: Load<DeliveryPage> }[] = [];
  vi.spyOn(control, "deliveries").mockImplementation((_, state, after) => new Promise((done, failed) => loads.push({ asked: [state ?? null, after ?? null], load: { done, failed } })));
  await page.show(h(Deliveries, { webhook: { id: "hook" } as WebhookLine }));
  const { deliveries } = deliveriesOf("old", null);
  loads[0]?.load.done({ deliveries: deliveries.map((line) => ({ ...line, state: "due" as const })), next: null });
  await settled();
  await page.put("select", "told");
  loads[1]?.load.failed(new CallFailed("unreachable", "The server cannot be reached."));
  await settled();
  expect(page.text("alert").join(" ") + page.text("p").join(" ")).toContain("cannot be reached");
  await vi.waitFor(() => expect(loads.at(2)?.asked).toEqual(["told", null]), 4_000);
  loads[2]?.load.done(deliveriesOf("told", null));
  await settled();
  expect(page.text("li").map((text) => text.includes("told-1"))).toEqual([true]);
});

test("a search goes on from what it found, not from what was listed before it", async () => {
  const loads: { asked: [string, string | null]; load: Load<MemberPage> }[] = [];
  vi.spyOn(control, "members").mockImplementation((words, after) => new Promise((done, failed) => loads.push({ asked: [words, after], load: { done, failed } })));
  vi.spyOn(api, "providers").mockResolvedValue([]);
  await page.show(h(Members, { me: "me" }));
  loads[0]?.load.done(membersOf("Ada", "after-ada"));
  await settled();
  await page.put("input", "bo");
  // What is typed is not searched for before typing rests.
  await page.press("Search on");
  expect(loads.at(-1)?.asked).toEqual(["", "after-ada"]);
  await new Promise((done) => setTimeout(done, 320));
  loads[1]?.load.done(membersOf("Cy", "after-cy"));
  await settled();
  await page.press("Search on");
  expect(loads.slice(2).map(({ asked }) => asked)).toEqual([["bo", null]]);
  loads[2]?.load.done(membersOf("Bo", "after-bo"));
  await settled();
  await page.press("Search on");
  expect(loads.at(-1)?.asked).toEqual(["bo", "after-bo"]);
  loads.at(-1)?.load.done(membersOf("Bob", null));
  await settled();
  expect(page.text("li").map((text) => text.split(" ")[0])).toEqual(["Bo", "Bob"]);
});

function deliveriesOf(name: string, next: string | null): DeliveryPage {
  return { deliveries: [{ id: `${name}-1`, type: "room.made", room: null, at: 0, state: "told", attempts: 1, next: null, last: null, status: 200, failure: null, took: 1 }], next };
}

function membersOf(name: string, next: string | null): MemberPage {
  return { members: [{ id: name, name, created: 0, admin: false, may_create_rooms: false, admin_by_provider: false, ways: null }] as unknown as MemberPage["members"], next };
}

function pageOf(actor: string): AuditPage {
  const row = { seq: 1, at: 0, action: "join", verdict: "permitted", rule: null, policy_version: 1, actor: { id: actor, name: null }, subject: null, room: null, detail: null, count: 1 } as const;
  return { rows: [row], next: null };
}
