// Loads that overtake each other.

import { api, CallFailed, type AuditPage } from "@conclave/sdk";
import { h } from "preact";
import { expect, test, vi } from "vitest";
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
  const next = turns.join(Promise.resolve("next"));
  expect(await Promise.all([first, refused, last, next])).toEqual([null, null, "last", "next"]);
  await expect(turns.begin(Promise.reject(new Error("now")))).rejects.toThrow("now");
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

function pageOf(actor: string): AuditPage {
  const row = { seq: 1, at: 0, action: "join", verdict: "permitted", rule: null, policy_version: 1, actor: { id: actor, name: null }, subject: null, room: null, detail: null, count: 1 } as const;
  return { rows: [row], next: null };
}
