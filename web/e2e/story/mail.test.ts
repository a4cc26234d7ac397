// The address of an account is confirmed and changed, and a forgotten password made up for, by mail through a real mail server.

import assert from "node:assert/strict";
import { after, before } from "node:test";
import { accessible, fits } from "../axe.js";
import type { Seat } from "../browser.js";
import { story } from "../chapter.js";
import { mailOf, opening, type Opening } from "../opening.js";
import { linkIn, Sink } from "../sink.js";
import { button, PASSWORD } from "../steps.js";

const FRESH = "another horse battery staple";

let sink: Sink;
let meeting: Opening<"owner" | "stranger">;
let owner: Seat;
let stranger: Seat;

const step = story(() => ({ owner, stranger }));

before(async () => {
  sink = await Sink.open();
  meeting = await opening({ owner: "The Owner", stranger: "A Stranger" }, { stage: "accounts", strangers: ["stranger"], settings: sink.settings });
  ({ owner, stranger } = meeting.seats);
});

after(async () => {
  await meeting?.close();
  await sink?.close();
});

step("a new account confirms its address with the link that it was sent", async () => {
  const { page } = owner;
  await button(page, "Account").click();
  await page.getByText("Not confirmed").waitFor();
  await owner.shootDark("105-not-confirmed");
  await page.goto(linkIn(await sink.next("Confirm your address")));
  await page.getByRole("heading", { name: "Confirm your address" }).waitFor();
  assert.equal(new URL(page.url()).hash, "");
  await accessible(owner, "confirm-address");
  await button(page, "Confirm").click();
  await page.getByRole("heading", { name: "Your address is confirmed" }).waitFor();
  await button(page, "To your account").click();
  await page.getByText("Confirmed", { exact: true }).waitFor();
});

step("who forgot the password gets a link, and whoever asks is told the same", async () => {
  const { page } = stranger;
  await page.goto(meeting.server.origin);
  await button(page, "Forgot your password?").click();
  await page.getByLabel("E-mail of your account").fill("nobody@example.org");
  await button(page, "Send a link").click();
  await page.getByRole("status").getByText("If there is an account").waitFor();
  await stranger.shoot("106-link-sent");
  await accessible(stranger, "forgot-password");
  await button(page.getByRole("dialog"), "Close").first().click();
  await button(page, "Forgot your password?").click();
  await page.getByLabel("E-mail of your account").fill(mailOf("owner"));
  await page.keyboard.press("Enter");
  await page.getByRole("status").getByText("If there is an account").waitFor();
  const mail = await sink.next("Choose a new password");
  assert.deepEqual(mail.to, [mailOf("owner")]);
  await page.goto(linkIn(mail));
  await page.getByRole("heading", { name: "Choose a new password" }).waitFor();
  await stranger.shootDark("107-new-password");
  await accessible(stranger, "new-password");
  await fits(stranger, "new-password");
  await page.getByLabel("New password").fill(FRESH);
  await button(page, "Change the password").click();
  await page.getByRole("heading", { name: "Your password is changed" }).waitFor();
  await sink.next("Your password was changed");
  await page.goto("about:blank");
  await page.goto(linkIn(mail));
  await page.getByLabel("New password").fill(PASSWORD);
  await button(page, "Change the password").click();
  await page.getByRole("alert").getByText("This link was used").waitFor();
  await stranger.shoot("108-used-link");
});

step("every session is over, and the new password opens the account", async () => {
  const { page } = owner;
  await page.goto(meeting.server.origin);
  await page.getByLabel("E-mail").fill(mailOf("owner"));
  await page.getByLabel("Password of your account").fill(FRESH);
  await button(page, "Sign in").click();
  await button(page, "Account").click();
});

step("the address changes when the link at the new one is opened", async () => {
  const { page } = owner;
  await button(page, "Change address").click();
  await page.getByLabel("New e-mail").fill("boss@example.org");
  await owner.shoot("109-change-address");
  await button(page, "Send a link").click();
  await page.getByText("The address changes when it is opened").waitFor();
  await page.getByText(mailOf("owner")).waitFor();
  const mail = await sink.next("Confirm your address");
  assert.deepEqual(mail.to, ["boss@example.org"]);
  await page.goto(linkIn(mail));
  await button(page, "Confirm").click();
  await button(page, "To your account").click();
  await page.getByText("boss@example.org").waitFor();
  assert.deepEqual((await sink.next("Your address was changed")).to, [mailOf("owner")]);
});

step("the password is changed in the account, and this session goes on", async () => {
  const { page } = owner;
  await button(page, "Change password").click();
  await page.getByLabel("New password").fill("short");
  await button(page, "Change the password").click();
  await page.getByLabel("New password").fill(PASSWORD);
  await button(page, "Change the password").click();
  await page.getByText("all other sessions are over").waitFor();
  await page.reload();
  await page.getByText("boss@example.org").waitFor();
  await owner.shoot("110-account-with-mail");
  await accessible(owner, "account-mail");
  await fits(owner, "account-mail");
});

step("whoever is signed in elsewhere is out at once", async () => {
  const { page } = stranger;
  await page.goto(meeting.server.origin);
  await page.getByLabel("E-mail").fill("boss@example.org");
  await page.getByLabel("Password of your account").fill(PASSWORD);
  await button(page, "Sign in").click();
  await button(page, "Sign out").waitFor();
  await button(owner.page, "Sign out everywhere else").click();
  await button(owner.page.getByRole("dialog"), "Sign out").click();
  await owner.page.getByText("You are signed out everywhere else").waitFor();
  await page.reload();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await owner.page.reload();
  await owner.page.getByText("boss@example.org").waitFor();
});

step("no page broke its own rules", async () => {
  assert.deepEqual([...owner.complaints, ...stranger.complaints], []);
});
