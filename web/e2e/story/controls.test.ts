// Every control of a host, by hand or by key, and what it does to those it is meant for: a member with an account and a guest
// who came by a link of their own.

import assert from "node:assert/strict";
import { after, before } from "node:test";
import { accessible, fits } from "../axe.js";
import { until, type Seat } from "../browser.js";
import { story } from "../chapter.js";
import { opening, type Opening } from "../opening.js";
import {
  button,
  closePanel,
  done,
  focusPerson,
  isIn,
  knock,
  openRoomPanel,
  options,
  peoplePanel,
  setSetting,
  told,
  tool,
  turn,
  waits,
} from "../steps.js";

const OWNER = "Room Owner";
const MEMBER = "Second Member";
const GUEST = "Someone Else";
const LABEL = "Guest of Example Ltd";

let meeting: Opening<"host" | "member" | "guest">;
let host: Seat;
let member: Seat;
let guest: Seat;
let link = "";

const step = story(() => ({ host, member, guest }));

before(async () => {
  meeting = await opening({ host: OWNER, member: MEMBER, guest: GUEST }, { stage: "entered", strangers: ["guest"] });
  ({ host, member, guest } = meeting.seats);
});

after(() => meeting?.close());

step("a guest link is made for one person, and its secret leaves the address bar", async () => {
  await setSetting(host, "Sign-in", "Guests may knock");
  const panel = await openRoomPanel(host, "Invite");
  await panel.getByLabel("Who is it for?").fill(LABEL);
  await button(panel, "Make a link").click();
  link = (await panel.getByLabel(`Link for ${LABEL}`, { exact: true }).innerText()).trim();
  assert.match(link, /\/g\/[a-z2-7]{26}#.+/u);
  assert.ok(!link.includes(meeting.room.password));
  await panel.getByRole("list", { name: "Guest links" }).getByText("not used yet").waitFor();
  await host.shootDark("60-guest-link");
  await guest.page.goto(link);
  await guest.page.getByLabel("Your name").waitFor();
  assert.equal(new URL(guest.page.url()).hash, "");
  await guest.page.getByLabel("Your name").fill(GUEST);
  await button(guest.page, "Go on as a guest").click();
  await closePanel(host);
});

step("hosts see who vouches for a name, and say a word to those who wait", async () => {
  await knock(guest, meeting.room.password);
  await waits(guest);
  await member.page.goto(meeting.room.link);
  await knock(member, meeting.room.password);
  await waits(member);
  const panel = await peoplePanel(host, "Waiting");
  await panel.getByText(`guest with the link “${LABEL}”`).waitFor();
  await panel.getByText(/^signed in, /u).waitFor();
  await host.shootDark("61-waiting");
  await accessible(host, "waiting_panel");
  await fits(host, "waiting_panel");
  await button(panel, `Message ${GUEST}`).click();
  const dialog = host.page.getByRole("dialog", { name: `Message ${GUEST}` });
  await dialog.getByText("The meeting starts soon.").click();
  await accessible(host, "message_dialog");
  await host.shoot("62-message");
  await button(dialog, "Send").click();
  await guest.page.getByText("The meeting starts soon.").waitFor();
  assert.equal(await member.page.getByText("The meeting starts soon.").count(), 0);
  await button(panel, "Message all").click();
  const all = host.page.getByRole("dialog", { name: "Message everyone who waits" });
  await all.getByText("Own words").click();
  await all.getByLabel("Your message").fill("Two minutes, then you come in.");
  await button(all, "Send").click();
  for (const seat of [guest, member]) await seat.page.getByText("Two minutes, then you come in.").waitFor();
  await guest.shootDark("63-host-says");
  await accessible(guest, "waiting");
  await fits(guest, "waiting");
});

step("by key: who waits, the focus on one, denied; then several are let in together", async () => {
  await closePanel(host);
  await host.page.keyboard.press("w");
  // The first who knocked has the focus.
  await until("the focus", () => host.page.evaluate(() => document.activeElement?.getAttribute("aria-label")), (label) => label === `${GUEST} waits`);
  await host.page.keyboard.press("d");
  await done(host, `${GUEST} was denied.`);
  await guest.page.getByRole("heading", { name: "You were not let in" }).waitFor();
  await button(guest.page, "Knock again").click();
  await knock(guest, meeting.room.password);
  await waits(guest);
  const panel = await peoplePanel(host, "Waiting");
  await panel.getByText("denied once before").waitFor();
  await panel.getByLabel("Choose all shown").click();
  await host.shoot("64-chosen");
  await button(panel, "Let in 2").click();
  await done(host, "2 let in.");
  await Promise.all([isIn(member), isIn(guest)]);
});

step("one is muted by a key on the person, and everyone, or all but one, at once", async () => {
  await turn(member, "Microphone", true);
  await focusPerson(host, MEMBER);
  await host.page.keyboard.press("m");
  await done(host, `${MEMBER} is muted`);
  await told(member, `${OWNER} muted you.`);
  await host.page.keyboard.press("u");
  await told(member, /allows you to speak/u);
  await turn(member, "Microphone", true);
  await focusPerson(host, GUEST);
  await host.page.keyboard.press("u");
  await told(guest, /allows you to speak/u);
  await turn(guest, "Microphone", true);
  await host.page.keyboard.press("Shift+M");
  const dialog = host.page.getByRole("dialog", { name: "Mute everyone" });
  await dialog.getByLabel(GUEST).click();
  await accessible(host, "mute_all_dialog");
  await host.shoot("65-mute-all-but");
  await button(dialog, "Mute all but 1").click();
  await done(host, "1 microphone is off.");
  await told(member, `${OWNER} muted you.`);
  assert.equal(await tool(guest, "Microphone").getAttribute("aria-pressed"), "true");
  await host.page.keyboard.press("Shift+M");
  await host.page.keyboard.press("Enter");
  await told(guest, `${OWNER} muted you.`);
});

step("video is paused and a share is stopped by key, and all shares at once", async () => {
  await turn(member, "Camera", true);
  await focusPerson(host, MEMBER);
  await host.page.keyboard.press("v");
  await told(member, `${OWNER} paused your video.`);
  await host.page.keyboard.press("d");
  await told(member, /allows you to share your screen/u);
  await turn(member, "Share screen", true);
  await host.page.getByLabel(`Shared screen of ${MEMBER}`).waitFor();
  await host.page.keyboard.press("s");
  await told(member, `${OWNER} stopped your screen share.`);
  await host.page.keyboard.press("d");
  await told(member, /allows you to share your screen/u);
  await turn(member, "Share screen", true);
  await host.page.keyboard.press("Shift+S");
  await done(host, "Nothing is shared any more.");
  await told(member, `${OWNER} stopped your screen share.`);
});

step("the spotlight shows one person large to everyone", async () => {
  await focusPerson(host, MEMBER);
  await host.page.keyboard.press("l");
  await done(host, `${MEMBER} is shown large to everyone.`);
  await closePanel(host);
  await host.page.getByRole("list", { name: "In the spotlight" }).getByLabel(`${MEMBER},`).waitFor();
  await member.page.getByRole("list", { name: "In the spotlight" }).waitFor();
  await host.shootDark("66-spotlight");
  await accessible(host, "speaker_layout");
  await fits(host, "speaker_layout");
  await button(host.page, `Options for ${MEMBER}`).click();
  await accessible(host, "tile_menu");
  await host.shoot("67-tile-menu");
  await host.page.getByRole("menuitem", { name: "End the spotlight" }).click();
  await host.page.getByRole("list", { name: "In the spotlight" }).waitFor({ state: "detached" });
  await button(host.page, "Show everyone in a grid").click();
});

step("one button suspends the meeting: everything stops, the door is shut, and lifting it starts nothing", async () => {
  await options(host, MEMBER);
  await focusPerson(host, MEMBER);
  await host.page.keyboard.press("u");
  await told(member, /allows you to speak/u);
  await turn(member, "Microphone", true);
  await openRoomPanel(host);
  await host.shootDark("68-controls");
  await accessible(host, "controls");
  await fits(host, "controls");
  await button(host.page, "Suspend the meeting").click();
  await accessible(host, "suspend_dialog");
  await host.page.keyboard.press("Enter");
  await done(host, "The meeting is suspended.");
  await told(member, `${OWNER} suspended the meeting.`);
  await member.page.getByText("The meeting is suspended: nobody is heard or seen").waitFor();
  await until("the member's microphone", () => tool(member, /^Mic/u).getAttribute("aria-pressed"), (pressed) => pressed !== "true");
  await host.shootDark("69-suspended");
  await member.shoot("70-suspended-member");
  await accessible(member, "suspended");
  await button(host.page.getByRole("complementary", { name: "Room" }), "Lift the suspension").click();
  await told(member, `${OWNER} lifted the suspension.`);
  assert.notEqual(await tool(member, /^Mic/u).getAttribute("aria-pressed"), "true");
  await host.page.keyboard.press("Shift+L");
  await done(host, "The room is open to knocks.");
});

step("who is sent back waits outside with nothing of the room, and can be let in again", async () => {
  await focusPerson(host, MEMBER);
  await host.page.keyboard.press("w");
  await host.page.keyboard.press("Enter");
  await member.page.getByRole("heading", { name: "You are outside again" }).waitFor();
  assert.ok(!(await member.page.content()).includes("Board"));
  await member.shootDark("71-sent-back");
  await peoplePanel(host, "Waiting");
  await button(host.page, `Let in ${MEMBER}`).click();
  await isIn(member);
});

step("roles by key, and the room itself is handed over and given back", async () => {
  await focusPerson(host, MEMBER);
  await host.page.keyboard.press("2");
  await told(member, `${OWNER} made you a presenter.`);
  await host.page.keyboard.press("3");
  await told(member, `${OWNER} made you a host.`);
  await host.page.keyboard.press("o");
  await host.page.keyboard.press("Enter");
  await member.page.getByText("You: Owner").waitFor();
  await host.page.getByText("You: Host").waitFor();
  await focusPerson(member, OWNER);
  await member.page.keyboard.press("o");
  await member.page.keyboard.press("Enter");
  await host.page.getByText("You: Owner").waitFor();
  await closePanel(member);
  await focusPerson(host, MEMBER);
  await host.page.keyboard.press("1");
  await told(member, `${OWNER} made you an attendee.`);
});

step("who is barred cannot knock again until a host lifts it", async () => {
  await focusPerson(host, GUEST);
  await host.page.keyboard.press("b");
  const dialog = host.page.getByRole("dialog", { name: `Remove and bar ${GUEST}?` });
  await accessible(host, "bar_dialog");
  await host.shoot("72-bar");
  await button(dialog, "Remove and bar").click();
  await guest.page.getByRole("heading", { name: "You were removed" }).waitFor();
  await accessible(guest, "ended");
  const panel = await openRoomPanel(host);
  await button(panel, "Show who is barred").click();
  await button(panel, `Lift the bar of ${GUEST}`).waitFor();
  await host.shoot("73-barred");
  await button(panel, `Lift the bar of ${GUEST}`).click();
  await panel.getByText("Nobody is barred.").waitFor();
});

step("all who wait are turned away at once", async () => {
  await focusPerson(host, MEMBER);
  await host.page.keyboard.press("w");
  await host.page.keyboard.press("Enter");
  await member.page.getByRole("heading", { name: "You are outside again" }).waitFor();
  const panel = await peoplePanel(host, "Waiting");
  await button(panel, "Deny all").click();
  await button(host.page.getByRole("dialog", { name: "Deny all 1?" }), "Deny all").click();
  await done(host, "1 denied.");
  await member.page.getByRole("heading", { name: "You were not let in" }).waitFor();
});

step("a guest link is taken back", async () => {
  const panel = await openRoomPanel(host, "Invite");
  await button(panel, `Take back the link for ${LABEL}`).click();
  await panel.getByRole("list", { name: "Guest links" }).getByText("taken back").waitFor();
});

step("the keys stand in a dialog, and the last of them ends the meeting", async () => {
  await closePanel(host);
  await host.page.keyboard.press("?");
  await host.page.getByRole("dialog", { name: "Keys" }).waitFor();
  await host.shootDark("74-keys");
  await accessible(host, "keys_dialog");
  await fits(host, "keys_dialog");
  await host.page.keyboard.press("Escape");
  await host.page.keyboard.press("Shift+E");
  await host.page.keyboard.press("Enter");
  await host.page.getByRole("heading", { name: "The meeting is over" }).waitFor();
  assert.deepEqual([...host.complaints, ...member.complaints, ...guest.complaints], []);
});
