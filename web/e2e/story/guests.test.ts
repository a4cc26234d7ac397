// Guests, and doors that stay shut: a room that takes none, one that does, a denied knock, a signed-out person, a blocked camera,
// a second tab. Also the narrowest width, the dark and the keyboard.

import assert from "node:assert/strict";
import { after, before } from "node:test";
import type { Seat } from "../browser.js";
import { story } from "../chapter.js";
import { mailOf, opening, type Opening } from "../opening.js";
import { button, closePanel, isIn, knock, openRoomPanel, PASSWORD, setSetting, told, tool, turn, waits } from "../steps.js";

const OWNER = "Room Owner";
const GUEST = "Someone Else";

let meeting: Opening<"host" | "guest">;
let host: Seat;
let guest: Seat;

const step = story(() => ({ host, guest }));

before(async () => {
  meeting = await opening({ host: OWNER, guest: GUEST }, { title: "Open day", stage: "entered", strangers: ["guest"] });
  ({ host, guest } = meeting.seats);
});

after(() => meeting?.close());

step("a guest goes as far as the door, and a strict room does not say why it stays shut", async () => {
  const { page } = guest;
  await page.goto(meeting.room.link);
  await page.getByRole("heading", { name: "Who are you?" }).waitFor();
  await guest.shoot("40-who-are-you");
  await button(page, "As a guest").click();
  await page.getByLabel("Your name").fill(GUEST);
  await button(page, "Go on as a guest").click();
  await knock(guest, meeting.room.password);
  await page.getByRole("alert").getByText("does not work, or the room is not open to you").waitFor();
  await guest.shoot("41-guest-refused");
});

step("the host opens the room to guests, and is told what was relaxed", async () => {
  await setSetting(host, "Sign-in", "Guests may knock");
  const panel = await openRoomPanel(host, "Settings");
  await told(host, `${OWNER} changed “Sign-in” to: Guests may knock.`);
  await panel.getByText("Relaxed").first().waitFor();
  await host.shoot("42-relaxed");
  await closePanel(host);
});

step("a guest knocks, is turned away, and knocks again", async () => {
  await knock(guest, meeting.room.password);
  await waits(guest);
  await told(host, `${GUEST} (guest, unverified) knocks.`);
  await tool(host, /^People/u).click();
  await host.shoot("43-guest-knocks");
  await button(host.page, `Deny ${GUEST}`).click();
  await guest.page.getByRole("heading", { name: "You were not let in" }).waitFor();
  await guest.shoot("44-denied");
  await button(guest.page, "Knock again").click();
  await knock(guest, meeting.room.password);
  await waits(guest);
  await host.page.getByText("denied once before").waitFor();
  await button(host.page, `Let in ${GUEST}`).click();
  await isIn(guest);
  await closePanel(host);
});

step("a guest asks first, and speaks when allowed", async () => {
  await tool(guest, "Microphone: Ask to speak").click();
  await told(guest, "You asked to speak.");
  await guest.shoot("45-guest-asks");
  await told(host, `${GUEST} asks to speak.`);
  await button(host.page.getByRole("status", { name: "Notices" }), "Allow").click();
  await turn(guest, "Microphone", true);
  await host.page.locator(`li[aria-label^="${GUEST}, guest,"]`).waitFor();
  await host.shoot("46-guest-speaks");
});

step("a guest's session is good for that room alone, and not for the start page", async () => {
  const page = await guest.context.newPage();
  await page.goto(meeting.server.origin);
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await page.goto(`${meeting.server.origin}/r/${"a".repeat(26)}`);
  await page.getByRole("heading", { name: "Who are you?" }).waitFor();
  await page.close();
});

step("a second tab of the same person is refused and the first goes on", async () => {
  const page = await guest.context.newPage();
  await page.goto(meeting.room.link);
  await page.getByLabel("Room password").fill(meeting.room.password);
  await button(page, "Ask to come in").click();
  await page.getByRole("alert").getByText("in this room already").waitFor();
  await page.close();
  await isIn(guest);
});

step("a blocked camera is explained", async () => {
  await host.page.evaluate(() => {
    navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("no", "NotAllowedError"));
  });
  await tool(host, "Camera").click();
  await host.page.getByRole("dialog", { name: "Your camera is blocked" }).waitFor();
  await host.shoot("47-camera-blocked");
  await host.page.keyboard.press("Escape");
  await host.page.getByRole("dialog").waitFor({ state: "detached" });
});

step("the meeting goes by keyboard", async () => {
  const { page } = host;
  await page.keyboard.press("p");
  await page.getByRole("complementary", { name: "People" }).waitFor();
  assert.equal(await page.evaluate(() => document.activeElement?.textContent), "People");
  await page.keyboard.press("Escape");
  await page.getByRole("complementary").waitFor({ state: "detached" });
  await page.keyboard.press("h");
  await tool(host, "Raise hand").and(page.locator("[aria-pressed=true]")).waitFor();
  await page.keyboard.press("h");
  await tool(host, "Raise hand").and(page.locator("[aria-pressed=false]")).waitFor();
  const unnamed = await page.evaluate(() => [...document.querySelectorAll("button")].filter((b) => (b.ariaLabel ?? b.textContent ?? "").trim() === "").length);
  assert.equal(unnamed, 0);
});

step("it fits 320 pixels, and the dark", async () => {
  const { page } = guest;
  await page.setViewportSize({ width: 320, height: 640 });
  assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 320);
  await page.emulateMedia({ colorScheme: "dark" });
  await guest.page.screenshot({ path: "out/48-narrow-dark.png" });
  await host.page.emulateMedia({ colorScheme: "dark" });
  await openRoomPanel(host);
  await host.shoot("49-dark");
});

step("who signs out elsewhere is out here too, and is told what to do", async () => {
  const page = await host.context.newPage();
  await page.goto(meeting.server.origin);
  await button(page, "Sign out").click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await page.close();
  await host.page.getByRole("heading", { name: "You are signed out" }).waitFor();
  await host.shoot("50-signed-out");
  await button(host.page, "Sign in again").click();
  await button(host.page, "With my account").click();
  await host.page.getByLabel("E-mail").fill(mailOf("host"));
  await host.page.getByLabel("Password of your account").fill(PASSWORD);
  await button(host.page, "Sign in").click();
  await host.page.getByLabel("Room password").waitFor();
  assert.deepEqual([...host.complaints, ...guest.complaints], []);
});
