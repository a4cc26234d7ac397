// "Is it you?": what was wanted on a page is done there or not at all.

import { CallFailed, own } from "@conclave/sdk";
import { h } from "preact";
import { expect, test, vi } from "vitest";
import { PresentDialog, whilePresent } from "../src/pages/present";
import { eachHasAPage, page, settled } from "./page";

const PAGE = () => h(PresentDialog, { passkey: true });
const QUESTION = "Is it you?";

eachHasAPage();

/** The server asks for a proof first, and counts how often it was done. */
function act(): { run: () => Promise<string>; done: () => number } {
  let asked = 0;
  const run = async () => {
    asked += 1;
    if (asked === 1) throw new CallFailed("confirm_first" as "not_allowed", "Prove once more that it is you.");
    return "done";
  };
  return { run, done: () => asked - 1 };
}

test("after the proof it is done", async () => {
  vi.spyOn(own, "proveAgainByPasskey").mockResolvedValue(true);
  await page.show(h(PAGE, {}));
  const ending = act();
  const ended = whilePresent(ending.run);
  await settled();
  expect(page.text("h2")).toEqual([QUESTION]);
  await page.press("Use your passkey");
  expect(await ended).toBe("done");
  expect(page.text("h2")).toEqual([]);
});

test("whoever leaves the page has called it off, and no other page asks for it", async () => {
  await page.show(h(PAGE, {}));
  const ending = act();
  const ended = whilePresent(ending.run);
  await settled();
  await page.show(null);
  expect(await ended).toBeNull();
  await page.show(h(PAGE, {}));
  expect(page.text("h2")).toEqual([]);
  expect(ending.done()).toBe(0);
});

test("a page that is left before the server asks is not asked on the next one", async () => {
  await page.show(h(PAGE, {}));
  let refuse: () => void = () => undefined;
  const ended = whilePresent(() => new Promise((_, fail) => (refuse = () => fail(new CallFailed("confirm_first" as "not_allowed", "Prove it.")))));
  await page.show(null);
  await page.show(h(PAGE, {}));
  refuse();
  expect(await ended).toBeNull();
  await settled();
  expect(page.text("h2")).toEqual([]);
});

test("a proof that comes after the page was left does nothing on the next one", async () => {
  let prove: (done: boolean) => void = () => undefined;
  vi.spyOn(own, "proveAgainByPasskey").mockReturnValue(new Promise((done) => (prove = done)));
  await page.show(h(PAGE, {}));
  const older = act();
  void whilePresent(older.run);
  await settled();
  await page.press("Use your passkey");
  await page.show(null);
  await page.show(h(PAGE, {}));
  const newer = act();
  void whilePresent(newer.run);
  await settled();
  prove(true);
  await settled();
  expect([older.done(), newer.done()]).toEqual([0, 0]);
  expect(page.text("h2")).toEqual([QUESTION]);
});

test("the browser's own question is over when the dialog is closed, or the page left", async () => {
  const asked = vi.spyOn(own, "proveAgainByPasskey").mockReturnValue(new Promise(() => undefined));
  await page.show(h(PAGE, {}));
  const first = whilePresent(act().run);
  await settled();
  await page.press("Use your passkey");
  await page.close();
  expect(await first).toBeNull();
  expect(asked.mock.calls[0]?.[0]?.aborted).toBe(true);
  void whilePresent(act().run);
  await settled();
  await page.press("Use your passkey");
  await page.show(null);
  expect(asked.mock.calls[1]?.[0]?.aborted).toBe(true);
});

test("one is asked at a time: the newer takes the place of the older, which is not done", async () => {
  vi.spyOn(own, "proveAgainByPasskey").mockResolvedValue(true);
  await page.show(h(PAGE, {}));
  const [older, newer] = [act(), act()];
  const first = whilePresent(older.run);
  const second = whilePresent(newer.run);
  await settled();
  expect(await first).toBeNull();
  expect(page.text("h2")).toEqual([QUESTION]);
  await page.press("Use your passkey");
  expect(await second).toBe("done");
  expect(older.done()).toBe(0);
});
