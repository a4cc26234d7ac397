// Going and coming back: a reload, a broken connection, a crashed tab into a locked room, a host who drops out, leaving for good.

import assert from "node:assert/strict";
import { after, before } from "node:test";
import { until, type Seat } from "../browser.js";
import { story } from "../chapter.js";
import { opening, type Opening } from "../opening.js";
import { button, closePanel, isIn, knock, openRoomPanel, options, peoplePanel, told, tool, turn, waits } from "../steps.js";

const OWNER = "Room Owner";
const MEMBER = "Second Member";

let meeting: Opening<"host" | "member">;
let host: Seat;
let member: Seat;

const step = story(() => ({ host, member }));

before(async () => {
  meeting = await opening({ host: OWNER, member: MEMBER }, { stage: "in" });
  ({ host, member } = meeting.seats);
});

after(() => meeting?.close());

step("a broken connection is said, taken up again, and the sound goes on", async () => {
  await turn(member, "Microphone", true);
  await until("sound at the host", energy, (value) => value > 0);
  await member.page.evaluate(() => window.wire.drop());
  await member.page.getByRole("alert").getByText("The connection was lost").waitFor();
  await member.shoot("30-reconnecting");
  await member.page.getByText("The connection was lost").waitFor({ state: "detached" });
  assert.equal(await tool(member, "Microphone").getAttribute("aria-pressed"), "true");
  const before = await energy();
  await until("sound at the host after coming back", energy, (value) => value > before);
});

step("after a crash of the server everyone joins again by themselves, as the room asks it", async () => {
  await meeting.server.crash();
  await waits(member);
  await member.page.getByText("The server was started anew, and you have knocked again.").waitFor();
  await member.shoot("30-after-a-crash");
  await button(host.page, "Let in").click();
  await isIn(member);
  assert.equal(await tool(member, "Microphone").getAttribute("aria-pressed"), "false");
});

step("a reload comes straight back, with everything off", async () => {
  await member.page.reload();
  await isIn(member);
  assert.equal(await tool(member, "Microphone").getAttribute("aria-pressed"), "false");
  await host.page.locator(`li[aria-label^="${MEMBER}, attendee, microphone off"]`).waitFor();
});

step("a crashed tab comes back into a locked room", async () => {
  const panel = await openRoomPanel(host);
  await button(panel, "Lock the room").click();
  await told(member, `${OWNER} locked the room.`);
  await member.crash();
  await isIn(member);
  await button(member.page, /The room is locked/u).waitFor();
  await member.shoot("31-back-in-locked-room");
  await turn(member, "Camera", true);
  const frames = async () => (await host.page.evaluate(() => window.media.received())).framesDecoded;
  const before = await frames();
  await until("video at the host after the crash", frames, (value) => value > before + 20);
});

step("a host who drops out comes back as host", async () => {
  await host.crash();
  await isIn(host);
  await openRoomPanel(host);
  await button(host.page, "Unlock the room").click();
  await told(member, `${OWNER} unlocked the room.`);
});

step("a member is made host, decides who comes in, and is made attendee again", async () => {
  await (await options(host, MEMBER)).getByLabel("Role").selectOption({ label: "Host" });
  await told(member, `${OWNER} made you a host. You can let people in`);
  await peoplePanel(member, "Waiting");
  const waiting = member.page.getByRole("region", { name: "Waiting" });
  await waiting.waitFor();
  await member.shoot("32-made-host");
  await (await options(host, MEMBER)).getByLabel("Role").selectOption({ label: "Attendee" });
  await waiting.waitFor({ state: "detached" });
  await Promise.all([closePanel(member), closePanel(host)]);
});

step("who leaves is out: the way back is the way in", async () => {
  await tool(member, "Leave").click();
  await member.page.getByRole("heading", { name: "You left" }).waitFor();
  await member.shoot("33-left");
  await button(member.page, "Go back in").click();
  await member.page.getByRole("heading", { name: "Before you go in" }).waitFor();
  await host.page.locator(`li[aria-label^="${MEMBER},"]`).waitFor({ state: "detached" });
});

step("the last host is told what leaving means", async () => {
  await knock(member, meeting.room.password);
  await waits(member);
  await button(host.page, "Let in").first().click();
  await isIn(member);
  await tool(host, "Leave").click();
  const dialog = host.page.getByRole("dialog", { name: "You are the last host here" });
  await dialog.waitFor();
  await host.shoot("34-last-host");
  await button(dialog, "Leave").click();
  await host.page.getByRole("heading", { name: "You left" }).waitFor();
  await told(member, "The room locked itself.");
  assert.deepEqual([...host.complaints, ...member.complaints], []);
});

async function energy(): Promise<number> {
  return (await host.page.evaluate(() => window.media.received())).audioEnergy;
}
