// Passkeys with Chromium's virtual authenticator: made in the account, used alone and after the password, copied, lost and made up for
// by a recovery code, and taken back.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before } from "node:test";
import { Authenticator } from "../authenticator.js";
import { accessible, fits } from "../axe.js";
import type { Seat } from "../browser.js";
import { story } from "../chapter.js";
import { mailOf, opening, type Opening } from "../opening.js";
import { button, PASSWORD } from "../steps.js";

let meeting: Opening<"owner" | "stranger">;
let owner: Seat;
let stranger: Seat;
let device: Authenticator;
let codes: string[];

const step = story(() => ({ owner, stranger }));

before(async () => {
  meeting = await opening({ owner: "The Owner", stranger: "A Stranger" }, { stage: "accounts", strangers: ["stranger"] });
  ({ owner, stranger } = meeting.seats);
  device = await Authenticator.in(owner);
});

after(async () => {
  await meeting?.close();
});

async function shownCodes(): Promise<string[]> {
  const all = owner.page.getByRole("dialog").locator("code");
  await all.first().waitFor();
  return all.allInnerTexts();
}

async function signOut(): Promise<void> {
  await button(owner.page, "Sign out").click();
  await owner.page.getByRole("heading", { name: "Sign in" }).waitFor();
}

async function isIn(): Promise<void> {
  await button(owner.page, "Sign out").waitFor();
}

async function givePassword(): Promise<void> {
  const { page } = owner;
  await page.getByLabel("E-mail").fill(mailOf("owner"));
  await page.getByLabel("Password of your account").fill(PASSWORD);
  await button(page, "Sign in").click();
  await page.getByText("This account asks for one thing more").waitFor();
}

step("an account has no passkey at first, and its page says what one is for", async () => {
  const { page } = owner;
  await button(page, "Account").click();
  await page.getByText("You have no passkey yet").waitFor();
  await page.getByText("You have no recovery codes").waitFor();
  await owner.shootDark("95-account-empty");
  await accessible(owner, "account-empty");
  await fits(owner, "account-empty");
});

step("by the keyboard alone a passkey is made; an authenticator that does not know its owner makes none", async () => {
  const { page } = owner;
  await device.knows(false);
  await button(page, "Add a passkey").focus();
  await page.keyboard.press("Enter");
  await page.getByLabel("Name of the passkey").and(page.locator(":focus")).waitFor();
  await page.keyboard.type("This laptop");
  await page.keyboard.press("Enter");
  await page.getByRole("alert").getByText("No passkey was made").waitFor();
  await device.knows(true);
  await page.keyboard.press("Enter");
  await button(page, "Rename This laptop").waitFor();
  await button(page, "Rename This laptop").click();
  await page.getByLabel("Name of the passkey").fill("The laptop");
  await button(page, "Keep").click();
  await button(page, "Remove The laptop").waitFor();
});

step("recovery codes are shown once and can be kept as a file", async () => {
  const { page } = owner;
  await button(page, "Make recovery codes").click();
  codes = await shownCodes();
  assert.equal(codes.length, 10);
  await owner.shoot("96-codes");
  await accessible(owner, "recovery-codes");
  const saved = page.waitForEvent("download");
  await button(page, "Save as a file").click();
  const file = await readFile(await (await saved).path(), "utf8");
  assert.deepEqual(file.trim().split("\n"), codes);
  await button(page, "I have kept them").click();
  await page.getByText("10 codes are left").waitFor();
  await owner.shootDark("97-account");
  await accessible(owner, "account");
  await fits(owner, "account");
  await page.reload();
  await page.getByText("10 codes are left").waitFor();
  assert.equal(await page.getByText(codes[0] ?? "").count(), 0);
});

step("the passkey signs in with nothing typed", async () => {
  const { page } = owner;
  await signOut();
  await button(page, "Sign in with a passkey").waitFor();
  await owner.shoot("98-sign-in");
  await accessible(owner, "sign-in");
  await fits(owner, "sign-in");
  await button(page, "Sign in with a passkey").focus();
  await page.keyboard.press("Enter");
  await isIn();
});

step("the password alone no longer opens the account; with the passkey it does", async () => {
  const { page } = owner;
  await signOut();
  await givePassword();
  await owner.shoot("99-second-factor");
  await accessible(owner, "second-factor");
  await fits(owner, "second-factor");
  await page.reload();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await givePassword();
  await button(page, "Use your passkey").click();
  await isIn();
  await page.goto(meeting.server.origin);
  await stranger.page.goto(meeting.server.origin);
  await stranger.page.getByLabel("E-mail").fill(mailOf("owner"));
  await stranger.page.getByLabel("Password of your account").fill(PASSWORD);
  await button(stranger.page, "Sign in").click();
  await button(stranger.page, "Use a recovery code").click();
  await stranger.page.getByLabel("Recovery code").fill("abcd-efgh-ijkl-mnop");
  await button(stranger.page, "Go on").click();
  await stranger.page.getByRole("alert").getByText("is not right").waitFor();
  await stranger.shoot("100-code-refused");
  assert.equal(await button(stranger.page, "Sign out").count(), 0);
});

step("a recovery code stands in for a lost passkey once, and the owner is told", async () => {
  const { page } = owner;
  await signOut();
  await givePassword();
  await button(page, "Use a recovery code").click();
  // However it is typed.
  await page.getByLabel("Recovery code").fill((codes[0] ?? "").toUpperCase().replaceAll("-", " "));
  await button(page, "Go on").click();
  await isIn();
  await button(page, "Account").click();
  await page.getByText("9 codes are left").waitFor();
  await page.getByText("A code was used last").waitFor();
  await signOut();
  await givePassword();
  await button(page, "Use a recovery code").click();
  await page.getByLabel("Recovery code").fill(codes[0] ?? "");
  await button(page, "Go on").click();
  await page.getByRole("alert").getByText("is not right").waitFor();
  await button(page, "Back").click();
  await button(page, "Sign in with a passkey").click();
  await isIn();
});

step("a change asks whether it is you when the sign-in is long ago", async () => {
  const { page } = owner;
  await button(page, "Account").click();
  // As the server answers after ten minutes.
  const refusal = { code: "confirm_first", text: "Prove once more that it is you." };
  await page.route("**/api/recovery-codes", (route) => route.fulfill({ status: 403, json: refusal }), { times: 1 });
  await button(page, "Make new codes").click();
  await page.getByRole("heading", { name: "Is it you?" }).waitFor();
  await owner.shoot("101-is-it-you");
  await accessible(owner, "is-it-you");
  await page.getByRole("dialog").getByLabel("Password of your account").fill("not the right one");
  await button(page, "Go on").click();
  await page.getByRole("alert").getByText("is not right").waitFor();
  await button(page, "Use your passkey").click();
  await page.getByRole("heading", { name: "Your recovery codes" }).waitFor();
  const former = codes;
  codes = await shownCodes();
  assert.deepEqual(codes.filter((code) => former.includes(code)), []);
  await button(page, "I have kept them").click();
});

step("a device makes one passkey for an account", async () => {
  const { page } = owner;
  await button(page, "Add a passkey").click();
  await page.getByLabel("Name of the passkey").fill("The laptop again");
  await button(page, "Go on").click();
  await page.getByRole("alert").getByText("already").waitFor();
  await page.keyboard.press("Escape");
});

step("a copy of a passkey opens nothing, and from then on the passkey does not either", async () => {
  const { page } = owner;
  await signOut();
  await device.turnBack(1);
  await button(page, "Sign in with a passkey").click();
  await page.getByRole("alert").getByText("opens nothing here").waitFor();
  await device.turnBack(1000);
  await button(page, "Sign in with a passkey").click();
  await page.getByRole("alert").getByText("opens nothing here").waitFor();
  await givePassword();
  await button(page, "Use a recovery code").click();
  await page.getByLabel("Recovery code").fill(codes[1] ?? "");
  await button(page, "Go on").click();
  await isIn();
  await button(page, "Account").click();
  await page.getByText("Opens nothing any more").waitFor();
  await owner.shoot("102-copied");
  await accessible(owner, "passkey-copied");
});

step("with the last passkey taken back the password opens the account again", async () => {
  const { page } = owner;
  await button(page, "Remove The laptop").click();
  await page.getByText("It is your last one").waitFor();
  await button(page.getByRole("dialog"), "Remove").click();
  await page.getByText("You have no passkey yet").waitFor();
  await signOut();
  await page.getByLabel("E-mail").fill(mailOf("owner"));
  await page.getByLabel("Password of your account").fill(PASSWORD);
  await button(page, "Sign in").click();
  await isIn();
  await signOut();
  await button(page, "Sign in with a passkey").click();
  await page.getByRole("alert").getByText("opens nothing here").waitFor();
  await device.clear();
  await button(page, "Sign in with a passkey").click();
  await page.getByRole("alert").getByText("No passkey was used").waitFor();
  await owner.shoot("103-called-off");
});

step("no page broke its own rules", async () => {
  assert.deepEqual([...owner.complaints, ...stranger.complaints], []);
});
