// Every other screen as someone sees it who listens, types, reads large or holds a phone: axe-core finds nothing wrong in light or
// dark, and at 320 pixels and at 200 % zoom nothing is cut off or has to be scrolled sideways.

import assert from "node:assert/strict";
import { after, before } from "node:test";
import { accessible, fits } from "../axe.js";
import { Seat, until } from "../browser.js";
import { story } from "../chapter.js";
import { figure } from "../figures.js";
import { mailOf } from "../opening.js";
import { startServer, type Server } from "../server.js";
import { button, closePanel, enter, inviteMember, isIn, knock, makeAccount, makeRoom, openRoomPanel, options, peoplePanel, tool, waits, type RoomKeys } from "../steps.js";

const OWNER = "Room Owner";
const MEMBER = "Second Member";

let server: Server;
let host: Seat;
let member: Seat;
let room: RoomKeys;

const step = story(() => ({ host, member }));

before(async () => {
  server = await startServer();
  [host, member] = await Promise.all([Seat.take(), Seat.take()]);
});

after(async () => {
  await Promise.all([host?.leave(), member?.leave()]);
  await server?.stop();
});

/** A screen as it is now: looked at by axe-core, and at the two small sizes. */
async function screen(seat: Seat, name: string): Promise<void> {
  await accessible(seat, name);
  await fits(seat, name);
}

step("signing in, an invitation, and an address that leads nowhere", async () => {
  await host.page.goto(server.origin);
  await host.page.getByRole("heading", { name: "Sign in" }).waitFor();
  await screen(host, "sign_in");
  await host.page.goto(server.ownerLink);
  await host.page.getByRole("heading", { name: "Welcome" }).waitFor();
  await screen(host, "invitation");
  await makeAccount(host, server.ownerLink, OWNER, mailOf("host"));
  await screen(host, "no_rooms");
});

step("light and dark follow the device, or the person, and are kept", async () => {
  const { page } = host;
  const ground = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  const light = await ground();
  await page.emulateMedia({ colorScheme: "dark" });
  const dark = await ground();
  assert.notEqual(light, dark);
  await button(page, "Look: As this device. Change").click();
  assert.equal(await ground(), light);
  await page.emulateMedia({ colorScheme: "light" });
  await button(page, "Look: Light. Change").click();
  assert.equal(await ground(), dark);
  await page.reload();
  await button(page, "Look: Dark. Change").waitFor();
  assert.equal(await ground(), dark);
  await button(page, "Look: Dark. Change").click();
  assert.equal(await ground(), light);
});

step("the start page with rooms and its dialogs", async () => {
  room = await makeRoom(host, "Quarterly review");
  await accessible(host, "new_room");
  await button(host.page, "Done").click();
  await makeAccount(member, await inviteMember(host), MEMBER, mailOf("member"));
  await screen(host, "rooms");
  await host.shootDark("80-rooms");
  await button(host.page, "Link and password of Quarterly review").click();
  await screen(host, "room_keys");
  await host.page.keyboard.press("Escape");
});

step("the pages of a room", async () => {
  await button(host.page, "Settings of Quarterly review").click();
  await host.page.getByLabel("Waiting room", { exact: true }).waitFor();
  await screen(host, "room_settings");
  await host.shootDark("81-room-settings");
  await host.page.getByLabel("Waiting room", { exact: true }).selectOption({ label: "Guests only" });
  await host.page.getByRole("dialog", { name: "Relax “Waiting room”?" }).waitFor();
  await screen(host, "relax");
  await host.shootDark("82-relax");
  await host.page.keyboard.press("Escape");
  await host.page.goto(`${server.origin}/r/${room.id}/links`);
  await host.page.getByLabel("Who is it for?").waitFor();
  await screen(host, "guest_links");
  await host.page.goto(`${server.origin}/r/${room.id}/streams`);
  await host.page.getByLabel("What is the stream called?").fill("Hall camera");
  await button(host.page, "Make a token").click();
  await host.page.getByLabel("Token for Hall camera", { exact: true }).waitFor();
  assert.match(await host.page.getByLabel("Address for Hall camera", { exact: true }).innerText(), /\/whip\/[a-z2-7]{26}/u);
  await screen(host, "stream_tokens");
  await host.shootDark("89-stream-tokens");
  await button(host.page, "Take back the token for Hall camera").click();
  await host.page.getByRole("list", { name: "Stream tokens" }).getByText("taken back").waitFor();
  await host.page.goto(`${server.origin}/r/${room.id}/captions`);
  await host.page.getByLabel("Language that is spoken").selectOption({ label: "French" });
  await host.page.getByLabel("Words and names that come up").fill("Project Heron");
  await button(host.page, "Save for this room").click();
  await host.page.getByText("Saved. A meeting that runs follows at once.").waitFor();
  await host.page.reload();
  await until("the words", () => host.page.getByLabel("Words and names that come up").inputValue(), (words) => words === "Project Heron");
  await screen(host, "room_captions");
  await host.shootDark("96-room-captions");
  await host.page.goto(`${server.origin}/r/${room.id}/transcripts`);
  await host.page.getByText("No transcript is kept.").waitFor();
  await screen(host, "transcripts");
  await host.page.goto(`${server.origin}/r/${room.id}/audit`);
  await host.page.getByRole("search", { name: "Filters" }).waitFor();
  await screen(host, "room_audit");
  await host.shootDark("83-room-audit");
});

step("the pages of the organisation", async () => {
  await host.page.goto(`${server.origin}/organisation`);
  await host.page.getByRole("heading", { name: "Organisation" }).waitFor();
  await host.page.getByLabel("Waiting room", { exact: true }).waitFor();
  await screen(host, "organisation");
  await host.shootDark("84-organisation");
  await host.page.goto(`${server.origin}/organisation/audit`);
  await host.page.getByRole("search", { name: "Filters" }).waitFor();
  await screen(host, "organisation_audit");
  await host.shootDark("85-organisation-audit");
  await member.page.goto(`${server.origin}/organisation`);
  await member.page.getByRole("heading", { name: "For administrators" }).waitFor();
});

step("the way in", async () => {
  await member.page.goto(room.link);
  await member.page.getByRole("heading", { name: "Before you go in" }).waitFor();
  await screen(member, "before");
  await enter(host, room.link);
  await knock(member, room.password);
  await waits(member);
  await button(host.page, "Let in").click();
  await isIn(member);
});

step("the meeting and its panels", async () => {
  await screen(host, "grid");
  await host.shootDark("86-grid");
  await options(host, MEMBER);
  await screen(host, "person");
  await host.shootDark("87-person");
  await peoplePanel(host, "Waiting");
  await screen(host, "nobody_waits");
  await openRoomPanel(host, "Invite");
  await screen(host, "invite");
  await openRoomPanel(host, "Settings");
  await screen(host, "settings");
  await host.shootDark("88-settings");
  await openRoomPanel(host, "Audit");
  await host.page.getByRole("list", { name: "Decisions" }).getByText("Let someone in").waitFor();
  await screen(host, "audit");
  await host.shootDark("89-audit");
  await tool(member, "Room").click();
  await screen(member, "settings_read_only");
  await closePanel(member);
});

step("ten thousand at the door: one page of them is drawn, and the next is fetched", async () => {
  await peoplePanel(host, "Waiting");
  const drawn = await host.page.evaluate(async () => {
    const knocks = Array.from({ length: 200 }, (_, at) => ({
      knock: `knock${at}`,
      version: 1,
      name: `Visitor ${at + 1}`,
      signed_in: false,
      identity: { kind: at % 7 === 0 ? "guest_link" : "unverified", label: "Guest of Example Ltd" },
      since: 1_000 + at,
      first_seen: 1_000,
      while_locked: at % 5 === 0,
      denied_before: at > 195 ? 2 : 0,
      suspected: at > 195,
      similar_to: at === 1 ? "Room Owner" : null,
      agreed_by: at === 2 ? "Room Owner" : null,
      picture: null,
    }));
    const from = performance.now();
    window.wire.feed({ type: "lobby_count", waiting: 10_000, suspected: 4 });
    window.wire.feed({ type: "lobby", knocks });
    await new Promise((drawnOnce) => requestAnimationFrame(() => setTimeout(drawnOnce, 0)));
    return performance.now() - from;
  });
  figure("lobby.crowd_drawn", drawn, "ms");
  const panel = host.page.getByRole("region", { name: "Waiting" });
  await panel.getByText("1–50 of 10000").waitFor();
  assert.equal(await panel.locator("[data-knock]").count(), 50);
  await host.shootDark("91-crowd");
  await screen(host, "crowd");
  await button(panel, "Next").click();
  await panel.getByText("51–100 of 10000").waitFor();
  await panel.getByText("Visitor 51", { exact: true }).waitFor();
  await host.page.reload();
  await isIn(host);
});

step("the dialogs of the meeting", async () => {
  await button(host.page, "Preferences").click();
  await screen(host, "preferences");
  await host.shoot("90-preferences");
  await host.page.keyboard.press("Escape");
  await closePanel(host);
  await tool(host, "Leave").click();
  await screen(host, "leave_dialog");
  await button(host.page.getByRole("dialog"), "End for everyone").click();
  await host.page.getByRole("heading", { name: "The meeting is over" }).waitFor();
  await screen(host, "over");
  assert.deepEqual([...host.complaints, ...member.complaints], []);
});
