// Signing out, and acts that are confirmed first: what fails is said, and what is over already is done.

import { api, CallFailed } from "@conclave/sdk";
import { h } from "preact";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { account } from "../src/account";
import { Frame } from "../src/pages/frame";
import { Confirm } from "../src/ui/dialog";
import { Page } from "./page";

const GONE = "The server cannot be reached.";

let page: Page;
beforeEach(() => {
  page = new Page();
  account.value = { kind: "account", id: "me", name: "A Member", picture: null, admin: false, may_create_rooms: false, second_factor: "not_asked" };
});
afterEach(async () => {
  await page.show(null);
  account.value = undefined;
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

test("a session that is over already is signed out of", async () => {
  await page.show(h(Frame, { children: null }));
  for (const code of ["signed_out", "session_reused"] as const) {
    const me = account.value;
    vi.spyOn(api, "signOut").mockRejectedValueOnce(new CallFailed(code, "Sign in to go on."));
    await page.press("Sign out");
    expect(account.value).toBeNull();
    expect(page.text("alert")).toEqual([]);
    account.value = me;
    await page.show(h(Frame, { children: null }));
  }
});

test("whoever cannot be signed out is told so until it goes well or they leave the page", async () => {
  const me = account.value;
  vi.spyOn(api, "signOut").mockRejectedValue(new CallFailed("unreachable", GONE));
  await page.show(h(Frame, { children: null }));
  await page.press("Sign out");
  expect(page.text("alert")).toEqual([GONE]);
  expect(account.value).toBe(me);
  await page.show(null);
  await page.show(h(Frame, { children: null }));
  expect(page.text("alert")).toEqual([]);
  await page.press("Sign out");
  vi.spyOn(api, "signOut").mockResolvedValue();
  await page.press("Sign out");
  expect(account.value).toBeNull();
  expect(page.text("alert")).toEqual([]);
});

test("what was confirmed and failed is said in its dialog, which stays", async () => {
  const closed = vi.fn();
  const act = vi.fn().mockRejectedValueOnce(new CallFailed("unreachable", GONE));
  await page.show(h(Confirm, { title: "Delete it?", text: "For good.", confirm: "Delete", onConfirm: act, onClose: closed }));
  await page.press("Delete");
  expect(page.text("alert")).toEqual([GONE]);
  expect(closed).not.toHaveBeenCalled();
  await page.press("Delete");
  expect(page.text("alert")).toEqual([]);
  expect(closed).toHaveBeenCalledOnce();
});
