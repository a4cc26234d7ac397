// The admin pages: an API key that is shown once and taken back, and a webhook from its making to its end, told to a real receiver over
// TLS, where the library that Standard Webhooks publishes checks the signatures.

import assert from "node:assert/strict";
import { get } from "node:https";
import { after, before } from "node:test";
import { Webhook, WebhookVerificationError } from "standardwebhooks";
import { accessible, fits } from "../axe.js";
import { until, type Seat } from "../browser.js";
import { story } from "../chapter.js";
import { opening, type Opening } from "../opening.js";
import { Receiver } from "../receiver.js";
import { button } from "../steps.js";

let receiver: Receiver;
let meeting: Opening<"owner">;
let owner: Seat;
let secret = "";

const step = story(() => ({ owner }));

before(async () => {
  receiver = await Receiver.open();
  const settings = { CONCLAVE_WEBHOOKS__AUTHORITIES: receiver.authority, CONCLAVE_WEBHOOKS__INTERNAL: '["localhost"]', CONCLAVE_WEBHOOKS__FIRST_WAIT_MS: "100", CONCLAVE_WEBHOOKS__ATTEMPTS: "2" };
  meeting = await opening({ owner: "Room Owner" }, { stage: "accounts", settings });
  ({ owner } = meeting.seats);
});

after(async () => {
  await meeting?.close();
  await receiver?.close();
});

async function part(name: string): Promise<void> {
  await owner.page.getByRole("tab", { name }).click();
  await owner.page.getByRole("heading", { name, exact: true }).waitFor({ state: "attached" });
}

/** What a program with this key is answered when it asks for rooms. */
function statusWith(key: string): Promise<number | undefined> {
  return new Promise((done, failed) => {
    get(`${meeting.server.origin}/v1/rooms`, { headers: { authorization: `Bearer ${key}` }, rejectUnauthorized: false }, (answer) => {
      answer.resume();
      done(answer.statusCode);
    }).once("error", failed);
  });
}

/** Whether one of the signatures is by this secret, and the time in it is now. */
function signed(got: { headers: NodeJS.Dict<string | string[]>; body: string }, by: string): boolean {
  const headers = Object.fromEntries(["webhook-id", "webhook-timestamp", "webhook-signature"].map((name) => [name, String(got.headers[name])]));
  try {
    new Webhook(by).verify(got.body, headers);
    return true;
  } catch (failure) {
    assert.ok(failure instanceof WebhookVerificationError, String(failure));
    return false;
  }
}

step("an API key is shown once, by keyboard alone", async () => {
  const { page } = owner;
  await button(page, "Organisation").click();
  await part("API keys");
  await page.getByText("No key has been made.").waitFor();
  await accessible(owner, "keys_empty");
  await button(page, "New key").focus();
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog", { name: "New API key" });
  await page.keyboard.type("Booking system");
  await dialog.getByLabel("Read about rooms, without passwords").focus();
  await page.keyboard.press("Space");
  await accessible(owner, "key_dialog");
  await fits(owner, "key_dialog");
  await owner.shootDark("200-key-dialog");
  await button(dialog, "Make the key").focus();
  await page.keyboard.press("Enter");
  const key = (await page.getByLabel("Key Booking system", { exact: true }).innerText()).trim();
  assert.match(key, /^ck_/u);
  await accessible(owner, "keys");
  await fits(owner, "keys");
  await owner.shootDark("201-keys");
  assert.equal(await statusWith(key), 200);
  await button(page, "Take back the key Booking system").click();
  await button(page.getByRole("dialog"), "Take back").click();
  await page.getByText("No key has been made.").waitFor();
  assert.equal(await statusWith(key), 401);
});

step("a webhook that leads inside is refused with a reason", async () => {
  const { page } = owner;
  await part("Webhooks");
  await page.getByText("No webhook yet.").waitFor();
  await accessible(owner, "webhooks_empty");
  await button(page, "New webhook").click();
  const dialog = page.getByRole("dialog", { name: "New webhook" });
  await dialog.getByLabel("Name").fill("Booking system");
  await dialog.getByLabel("Address").fill("https://127.0.0.1/");
  await button(dialog, "Make the webhook").click();
  await dialog.getByRole("alert").getByText("internal network").waitFor();
  await accessible(owner, "webhook_dialog");
  await fits(owner, "webhook_dialog");
  await owner.shootDark("202-webhook-refused");
  await dialog.getByLabel("Address").fill(receiver.url);
  await button(dialog, "Make the webhook").click();
  secret = (await page.getByLabel("Secret of Booking system", { exact: true }).innerText()).trim();
  assert.match(secret, /^whsec_/u);
  await owner.shootDark("203-webhook-made");
});

step("a test and what happens in a room arrive signed", async () => {
  const { page } = owner;
  await button(page, "Send a test to Booking system").click();
  await page.getByText("A test is on its way").waitFor();
  await until("the test", () => Promise.resolve(receiver.got.length), (count) => count > 0);
  assert.ok(receiver.got.every((got) => signed(got, secret)));
  const first = receiver.got[0];
  assert.ok(first !== undefined && !signed({ ...first, body: `${first.body} ` }, secret), "what was changed on the way is not signed");
  assert.equal(JSON.parse(receiver.got[0]?.body ?? "{}").type, "webhook.test");
});

step("what could not be told is listed and told again", async () => {
  const { page } = owner;
  receiver.answer = 500;
  await button(page, "Send a test to Booking system").click();
  await button(page, "Deliveries of Booking system").click();
  const dialog = page.getByRole("dialog", { name: "Deliveries of Booking system" });
  await dialog.getByText("The receiver refused it: 500").waitFor();
  // It follows what is still on its way.
  await dialog.getByText("2 attempts").waitFor();
  await accessible(owner, "deliveries");
  await fits(owner, "deliveries");
  await owner.shootDark("204-deliveries");
  receiver.answer = 204;
  const before = receiver.got.length;
  await button(dialog, "Send all that were given up again").click();
  await dialog.getByText("One event is sent again.").waitFor();
  await until("the replay", () => Promise.resolve(receiver.got.length), (count) => count > before);
  await page.keyboard.press("Escape");
});

step("a new secret signs beside the old one, and a deleted webhook is told nothing", async () => {
  const { page } = owner;
  await button(page, "New secret for Booking system").click();
  await button(page.getByRole("dialog"), "Make a new secret").click();
  const shown = page.getByLabel("Secret of Booking system", { exact: true });
  await until("the new secret", () => shown.innerText(), (text) => text.trim() !== secret);
  const fresh = (await shown.innerText()).trim();
  const before = receiver.got.length;
  await button(page, "Send a test to Booking system").click();
  await until("another test", () => Promise.resolve(receiver.got.length), (count) => count > before);
  const got = receiver.got.at(-1);
  assert.ok(got !== undefined && signed(got, secret) && signed(got, fresh));
  await button(page, "Pause Booking system").click();
  await page.getByText("paused", { exact: true }).waitFor();
  await accessible(owner, "webhooks");
  await fits(owner, "webhooks");
  await owner.shootDark("205-webhooks");
  await button(page, "Delete Booking system").click();
  await button(page.getByRole("dialog"), "Delete").click();
  await page.getByText("No webhook yet.").waitFor();
});

step("an administrator who has just signed in ends every session", async () => {
  const { page } = owner;
  await part("Settings");
  await button(page, "End all sessions").click();
  const dialog = page.getByRole("dialog", { name: "End all sessions?" });
  await accessible(owner, "end_sessions");
  await fits(owner, "end_sessions");
  await owner.shootDark("206-end-sessions");
  await button(dialog, "Cancel").click();
  await button(page, "End all sessions").click();
  await button(dialog, "End all sessions").click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await page.reload();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
});

step("no page broke its own rules", async () => {
  assert.deepEqual([...owner.complaints], []);
});
