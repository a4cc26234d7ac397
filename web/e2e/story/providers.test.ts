// Sign-in by a real OpenID provider at another site: nobody before a link, a link with the password, in and out by it, taken back.

import assert from "node:assert/strict";
import { after, before } from "node:test";
import type { Seat } from "../browser.js";
import { story } from "../chapter.js";
import { opening, type Opening } from "../opening.js";
import { Identities } from "../provider.js";
import { button, PASSWORD } from "../steps.js";

let identities: Identities;
let meeting: Opening<"owner" | "stranger">;
let owner: Seat;
let stranger: Seat;

const step = story(() => ({ owner, stranger }));

before(async () => {
  identities = await Identities.open();
  const settings = { CONCLAVE_PROVIDERS: identities.settings("company", "Company") };
  meeting = await opening({ owner: "The Owner", stranger: "A Stranger" }, { stage: "accounts", strangers: ["stranger"], settings });
  ({ owner, stranger } = meeting.seats);
  identities.serve(`${meeting.server.origin}/sign-in/company`);
});

after(async () => {
  await meeting?.close();
  await identities?.close();
});

/** What one does at the provider: its own two pages. */
async function signInThere(seat: Seat, login: string): Promise<void> {
  const { page } = seat;
  await page.waitForURL((url) => url.origin === identities.issuer);
  await page.locator("input[name=login]").fill(login);
  await page.locator("input[name=password]").fill("any");
  await page.locator("button[type=submit]").click();
  await page.locator("button[type=submit]", { hasText: /continue/iu }).click();
}

step("who is nobody here is told nothing but that it did not work, and nothing stays in the address", async () => {
  const { page } = stranger;
  await page.goto(meeting.server.origin);
  await button(page, "Sign in with Company").click();
  await signInThere(stranger, "someone");
  await page.getByRole("heading", { name: "That did not work" }).waitFor();
  assert.equal(new URL(page.url()).search, "");
  const kept = await stranger.context.cookies();
  assert.deepEqual(
    kept.filter((cookie) => cookie.name.startsWith("__Host-conclave")).map((cookie) => cookie.name),
    [],
  );
  await stranger.shoot("90-refused");
});

step("the owner links what they have there, with the password once more", async () => {
  const { page } = owner;
  await button(page, "Account").click();
  await button(page, "Link Company").click();
  await page.getByLabel("Password of your account").fill("not the right one");
  await button(page, "Go on").click();
  await page.getByRole("alert").getByText("is not right").waitFor();
  await page.getByLabel("Password of your account").fill(PASSWORD);
  await owner.shoot("91-link");
  await button(page, "Go on").click();
  await signInThere(owner, "the-owner");
  await button(page, "Unlink Company").waitFor();
  assert.equal(new URL(page.url()).pathname, "/account");
  await owner.shoot("92-linked");
});

step("from another browser the same identity signs in, and its session is over when the link is taken back", async () => {
  const { page } = stranger;
  await stranger.context.clearCookies();
  await page.goto(meeting.server.origin);
  await button(page, "Sign in with Company").click();
  await signInThere(stranger, "the-owner");
  await page.getByRole("heading", { name: "Your rooms" }).waitFor();
  await page.reload();
  await page.getByRole("heading", { name: "Your rooms" }).waitFor();
  await button(owner.page, "Unlink Company").click();
  await button(owner.page, "Unlink Company").waitFor({ state: "hidden" });
  await page.reload();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
});

step("no page broke its own rules", async () => {
  assert.deepEqual([...owner.complaints, ...stranger.complaints], []);
});
