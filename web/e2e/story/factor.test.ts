// An organisation asks for second factors while a meeting runs: the administrator who turns it on shows theirs first, and a host in the
// meeting, who has none, makes a passkey beside it and leads on without coming anew.

import assert from "node:assert/strict";
import { after, before } from "node:test";
import { Authenticator } from "../authenticator.js";
import { accessible, fits } from "../axe.js";
import type { Seat } from "../browser.js";
import { story } from "../chapter.js";
import { letIn, opening, type Opening } from "../opening.js";
import { button, done, isIn, knock, openRoomPanel, options, peoplePanel, tool, waits } from "../steps.js";

const OPTION = "Hosts and administrators must have shown a second factor";
const WHY = "Until you show yours, you take part like everyone else";

let meeting: Opening<"owner" | "host" | "late">;
let owner: Seat;
let host: Seat;
let late: Seat;
let ownersDevice: Authenticator;
let hostsDevice: Authenticator;

const step = story(() => ({ owner, host, late }));

before(async () => {
  meeting = await opening({ owner: "The Owner", host: "The Host", late: "Late Comer" }, { stage: "entered" });
  ({ owner, host, late } = meeting.seats);
  ownersDevice = await Authenticator.in(owner);
  hostsDevice = await Authenticator.in(host);
});

after(async () => {
  await meeting?.close();
});

async function addPasskey(page: Seat["page"]): Promise<void> {
  await page.goto(`${meeting.server.origin}/account`);
  await button(page, "Add a passkey").click();
  await page.getByLabel("Name of the passkey").fill("This laptop");
  await button(page, "Go on").click();
  await button(page, "Rename This laptop").waitFor();
}

step("a member is made a host, and leads the meeting when the owner goes", async () => {
  await letIn(owner, host, meeting.room);
  const acts = await options(owner, "The Host");
  await acts.getByLabel("Role").selectOption({ label: "Host" });
  await host.page.getByText("You: Host").waitFor();
  await tool(owner, "Leave").click();
  await owner.page.getByRole("heading", { name: "You left" }).waitFor();
  await late.page.goto(meeting.room.link);
  await knock(late, meeting.room.password);
  await waits(late);
});

step("who has shown no factor asks nobody else for one, and is led to a passkey", async () => {
  const { page } = owner;
  await page.goto(`${meeting.server.origin}/organisation`);
  await page.getByLabel(OPTION).click();
  const dialog = page.getByRole("dialog", { name: "Show your passkey" });
  await dialog.getByText("Your account has no passkey yet").waitFor();
  const link = dialog.getByRole("link", { name: "the page of your account" });
  assert.equal(await link.getAttribute("target"), "_blank");
  await owner.shoot("170-factor-none");
  await accessible(owner, "factor-none");
  await fits(owner, "factor-none");
  await button(dialog, "I have added one").click();
  await dialog.getByRole("alert").getByText("no passkey yet").waitFor();
  await button(dialog, "Not now").click();
  await page.getByRole("alert").getByText("Show your second factor first").waitFor();
  assert.equal(await page.getByLabel(OPTION).isChecked(), false);
  await addPasskey(page);
});

step("with the passkey shown, what was wanted is done, and the meeting hears of it at once", async () => {
  const { page } = owner;
  await page.goto(`${meeting.server.origin}/organisation`);
  await page.getByLabel(OPTION).click();
  const dialog = page.getByRole("dialog", { name: "Show your passkey" });
  await owner.shootDark("171-factor-show");
  // A passkey that does not know its owner shows nothing.
  await ownersDevice.knows(false);
  await button(dialog, "Show your passkey").click();
  await dialog.getByRole("alert").getByText("No passkey was shown").waitFor();
  await ownersDevice.knows(true);
  await button(dialog, "Show your passkey").click();
  await dialog.waitFor({ state: "detached" });
  await page.locator("input:checked").and(page.getByLabel(OPTION)).waitFor();
  await owner.shoot("172-organisation-option");
  await accessible(owner, "organisation-option");
  await host.page.getByText(WHY).first().waitFor();
});

step("the host in the meeting sees what does not work, and why", async () => {
  const { page } = host;
  const room = await openRoomPanel(host);
  // Nobody leads any more, and so the room has locked itself.
  assert.equal(await button(room, "Unlock the room").isDisabled(), true);
  assert.equal(await button(room, "Suspend the meeting").isDisabled(), true);
  assert.equal(await room.getByRole("tab").count(), 0);
  await host.shootDark("173-factor-in-meeting");
  await accessible(host, "factor-in-meeting");
  await fits(host, "factor-in-meeting");
  const people = await peoplePanel(host, "In the room");
  assert.equal(await people.getByText("Late Comer").count(), 0);
  await host.shoot("174-factor-people");
  assert.equal(await button(people, "Mute everyone").isDisabled(), true);
  // Neither does the key of a control.
  await page.keyboard.press("Escape");
});

step("a passkey made beside the meeting is shown in it, and the controls work without joining anew", async () => {
  const { page } = host;
  await button(page, "Show your passkey").first().click();
  const dialog = page.getByRole("dialog", { name: "Show your passkey" });
  await dialog.getByText("Your account has no passkey yet").waitFor();
  await host.shoot("175-factor-none-in-meeting");
  const beside = await host.context.newPage();
  const device = await Authenticator.on(beside);
  await beside.goto(`${meeting.server.origin}/account`);
  await beside.getByText("Your organisation asks hosts and administrators for a second factor").waitFor();
  await addPasskey(beside);
  await device.giveTo(hostsDevice);
  await beside.close();
  await button(dialog, "I have added one").click();
  await dialog.waitFor({ state: "detached" });
  await page.getByText(WHY).first().waitFor({ state: "detached" });
  const people = await peoplePanel(host, "Waiting");
  await people.getByText("Late Comer").waitFor();
  await host.shoot("176-factor-shown");
  await button(people, "Let in Late Comer").click();
  await isIn(late);
  const room = await openRoomPanel(host);
  await button(room, "Unlock the room").click();
  await done(host, "The room is open to knocks.");
});

step("no page broke its own rules", async () => {
  assert.deepEqual([...owner.complaints, ...host.complaints, ...late.complaints], []);
});
