// "Show your passkey": asked on a page, and over with it.

import { api, CallFailed, Conclave, own, type Me } from "@conclave/sdk";
import { h } from "preact";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ROOM, roomView, World } from "../../sdk/test/fakes";
import { account } from "../src/account";
import { Meeting } from "../src/meeting/model";
import { factorHere, FactorDialog, leaveFactor, showFactor } from "../src/pages/factor";
import { route } from "../src/route";
import { eachHasAPage, page, settled } from "./page";

const QUESTION = "Show your passkey";
const ME: Me = { kind: "account", id: "me", name: "A Member", picture: null, admin: true, may_create_rooms: false, second_factor: "missing" };
const SHOWN: Me = { ...ME, second_factor: "shown" } as Me;

interface Shown {
  here: AbortSignal | undefined;
  done: (me: Me | null) => void;
}

let shown: Shown[];

vi.hoisted(() => {
  const nothing = () => undefined;
  vi.stubGlobal("localStorage", { getItem: () => null, setItem: nothing, removeItem: nothing });
});

eachHasAPage();

beforeEach(async () => {
  shown = [];
  account.value = ME;
  route.value = { page: "organisation", part: "settings" };
  vi.spyOn(own, "passkeys").mockResolvedValue({ passkeys: [{ id: "p", name: "Laptop", made: 0, used: null, copied: null }], codes_left: 0, codes_made: null, code_used: null });
  vi.spyOn(own, "stepUp").mockImplementation((here?: AbortSignal) => new Promise((done) => shown.push({ here, done })));
  await page.show(h(FactorDialog, {}));
});

afterEach(() => {
  leaveFactor();
  account.value = undefined;
  route.value = { page: "home" };
});

/** The dialog is open, and the browser asks for the passkey. */
async function asked(): Promise<Promise<boolean>[]> {
  const wanted = [factorHere()()];
  await settled();
  expect(page.text("h2")).toEqual([QUESTION]);
  await page.press(QUESTION);
  expect(shown.length).toBe(1);
  return wanted;
}

test("once it was shown, all who wanted it go on", async () => {
  const wanted = [...(await asked()), factorHere()()];
  shown[0]?.done(SHOWN);
  expect(await Promise.all(wanted)).toEqual([true, true]);
  expect(account.value).toBe(SHOWN);
  await settled();
  expect(page.text("h2")).toEqual([]);
});

test("whoever goes to another page has called it off there, in the browser too, and a late answer goes on with nothing: but the session has shown it", async () => {
  const [wanted] = await asked();
  route.value = { page: "home" };
  expect(shown[0]?.here?.aborted).toBe(true);
  expect(await wanted).toBe(false);
  await settled();
  expect(page.text("h2")).toEqual([]);
  shown[0]?.done(SHOWN);
  await settled();
  expect(account.value).toBe(SHOWN);
});

test("a late answer of the page before does not close the question of the next one", async () => {
  await asked();
  route.value = { page: "home" };
  const [next] = [factorHere()()];
  await settled();
  expect(page.text("h2")).toEqual([QUESTION]);
  shown[0]?.done(SHOWN);
  await settled();
  expect(page.text("h2")).toEqual([QUESTION]);
  await page.press("Not now");
  expect(await next).toBe(false);
});

test("closing the dialog calls off the browser's question too", async () => {
  const [wanted] = await asked();
  await page.press("Not now");
  expect(await wanted).toBe(false);
  expect(shown[0]?.here?.aborted).toBe(true);
});

test("what a page wanted before it was left is not asked for on the next one", async () => {
  const want = factorHere();
  route.value = { page: "home" };
  expect(await want()).toBe(false);
  await settled();
  expect(page.text("h2")).toEqual([]);
});

test("where the browser is asked at once, leaving ends that and opens no dialog", async () => {
  const wanted = showFactor();
  await settled();
  expect(shown.length).toBe(1);
  route.value = { page: "home" };
  expect(await wanted).toBe(false);
  shown[0]?.done(null);
  await settled();
  expect(page.text("h2")).toEqual([]);
});

test("a page that is left while it is looked for passkeys opens no dialog", async () => {
  let found: () => void = () => undefined;
  vi.spyOn(own, "passkeys").mockReturnValue(new Promise((_, fail) => (found = () => fail(new CallFailed("unreachable", "Gone.")))));
  const wanted = factorHere()();
  route.value = { page: "home" };
  found();
  expect(await wanted).toBe(false);
  await settled();
  expect(page.text("h2")).toEqual([]);
});

test("who is out of the meeting that asked is asked no more", async () => {
  const world = new World();
  const meeting = new Meeting(Conclave.join({ url: "wss://here/ws", room: ROOM }, world.environment));
  world.socket.open();
  world.socket.say({ type: "admitted", room: roomView(), resume: "s", seq: 0 });
  const [wanted] = await asked();
  world.socket.say({ type: "closed", code: "removed", text: "A host removed you." });
  expect(await wanted).toBe(false);
  expect(shown[0]?.here?.aborted).toBe(true);
  meeting.dispose();
});

test("a request belongs to the page that made it", async () => {
  let refuse: () => void = () => undefined;
  vi.stubGlobal("location", { origin: "https://meet.example.org" });
  vi.stubGlobal("fetch", () => new Promise((done) => (refuse = () => done(Response.json({ code: "second_factor_required", text: "Show it." }, { status: 403 })))));
  const loaded = api.rooms().catch((failure: unknown) => failure);
  await settled();
  route.value = { page: "home" };
  refuse();
  expect(await loaded).toMatchObject({ code: "second_factor_required" });
  await settled();
  expect(page.text("h2")).toEqual([]);
});
