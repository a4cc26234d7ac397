// The main story: an owner and a member meet in a room at its strictest. The member's browser is hostile when it is cut: it goes
// on sending whatever it is told, and the server's own counters say what became of that.

import assert from "node:assert/strict";
import { after, before } from "node:test";
import { Seat, until } from "../browser.js";
import { story } from "../chapter.js";
import { counted, figure } from "../figures.js";
import { mailOf } from "../opening.js";
import type { StatsLine } from "../probe.js";
import { Relay } from "../relay.js";
import { startServer, type Server } from "../server.js";
import {
  button,
  closePanel,
  enter,
  fillAccount,
  inviteMember,
  isIn,
  knock,
  makeAccount,
  makeRoom,
  openRoomPanel,
  options,
  told,
  tool,
  turn,
  waits,
  type RoomKeys,
} from "../steps.js";

const TITLE = "Quarterly review";
const OWNER = "Room Owner";
const MEMBER = "Second Member";
/** How long a hostile sender is watched after a cut. */
const WATCH_MS = 2_000;

let server: Server;
let relay: Relay;
let host: Seat;
let member: Seat;
let room: RoomKeys;
let memberId = "";

const step = story(() => ({ host, member }));

before(async () => {
  server = await startServer();
  relay = await Relay.open(Number(new URL(server.origin).port));
  [host, member] = await Promise.all([Seat.take(), Seat.take({ relay: relay.port })]);
});

after(async () => {
  await Promise.all([host?.leave(), member?.leave()]);
  relay?.close();
  await server?.stop();
});

step("the owner's link makes the first account, and its secret leaves the address bar", async () => {
  await host.page.goto(server.ownerLink);
  await host.page.getByRole("heading", { name: "Welcome" }).waitFor();
  assert.equal(host.page.url(), `${server.origin}/invitation`);
  await host.shoot("01-invitation");
  await fillAccount(host, OWNER, mailOf("host"));
  await host.shoot("02-no-rooms");
});

step("a room comes with a link and, apart from it, a password", async () => {
  room = await makeRoom(host, TITLE);
  assert.match(room.link, /\/r\/[a-z2-7]{26}$/u);
  assert.match(room.password, /^[a-z]{6}(-[a-z]{6}){3}$/u);
  assert.ok(!room.link.includes(room.password));
  await host.shoot("03-new-room");
  await button(host.page, "Done").click();
  await host.shoot("04-rooms");
});

step("a member is invited and makes an account", async () => {
  const link = await inviteMember(host);
  await makeAccount(member, link, MEMBER, mailOf("member"));
  await enter(host, room.link);
  await host.shoot("05-alone");
});

step("the way in says nothing of the room, and a wrong password says no more", async () => {
  const { page } = member;
  await page.goto(room.link);
  await page.getByRole("heading", { name: "Before you go in" }).waitFor();
  await button(page, "Check camera").click();
  await button(page, "Check microphone").click();
  await page.getByLabel("Your camera", { exact: true }).waitFor();
  await member.shoot("06-before");
  await knock(member, "not-the-password");
  await page.getByRole("alert").getByText("does not work").waitFor();
  await member.shoot("07-wrong-password");
  await assertNothingOfTheRoom();
});

step("who knocks waits, and learns nothing of the room", async () => {
  await knock(member, room.password);
  await waits(member);
  await member.shoot("08-waiting");
  await assertNothingOfTheRoom();
  const frames = await member.page.evaluate(() => window.wire.frames.slice(-1));
  assert.deepEqual(frames, ['{"type":"waiting"}']);
  assert.equal(await member.page.evaluate(() => window.media.peers.length), 0);
});

step("the host sees who knocks, and lets them in", async () => {
  await told(host, `${MEMBER} (signed in, Conclave) knocks.`);
  assert.match(await host.page.title(), /^\(1\) /u);
  await host.shoot("09-knock");
  await tool(host, /^People/u).click();
  await host.shoot("10-waiting-list");
  await button(host.page, `Let in ${MEMBER}`).click();
  await isIn(member);
  await closePanel(host);
});

step("both see and hear each other", async () => {
  for (const seat of [host, member]) {
    await turn(seat, "Microphone", true);
    await turn(seat, "Camera", true);
  }
  for (const [seat, name] of [[host, "host"], [member, "guest"]] as const) {
    const received = await until(
      `what the ${name} receives`,
      () => seat.page.evaluate(() => window.media.received()),
      (sum) => sum.framesDecoded >= 60 && sum.audioEnergy > 0.001,
    );
    figure(`e2e.frames_decoded.${name}`, received.framesDecoded, "frames");
    figure(`e2e.audio_energy.${name}`, received.audioEnergy, "energy");
  }
  await host.shoot("11-both");
  await member.shoot("12-both-member");
  const lines = await stats();
  memberId = (await host.page.locator(`li[aria-label^="${MEMBER},"]`).first().getAttribute("data-participant")) ?? "";
  assert.ok(counted(lines, memberId, ["camera"]).forwarded > 0);
});

step("a mute drops what a hostile client goes on sending", async () => {
  await cut("mute", ["microphone"], async () => {
    await button(await options(host, MEMBER), "Mute").click();
  });
  await told(member, `${OWNER} muted you. You can ask to speak.`);
  await member.shoot("13-muted");
  await obey();
});

step("giving the right back starts nothing until the member turns it on", async () => {
  await button(member.page.getByRole("status", { name: "Notices" }), "Ask to speak").click();
  await told(host, `${MEMBER} asks to speak.`);
  await host.shoot("14-asked");
  const before = counted(await stats(), memberId, ["microphone"]);
  await button(host.page.getByRole("status", { name: "Notices" }), "Allow").click();
  await told(member, /allows you to speak/u);
  await member.shoot("15-allowed");
  await pause(1_000);
  assert.equal(counted(await stats(), memberId, ["microphone"]).forwarded, before.forwarded);
  await turn(member, "Microphone", true);
  await until("sound after the own unmute", async () => counted(await stats(), memberId, ["microphone"]).forwarded, (count) => count > before.forwarded);
});

step("a pause drops the video of a hostile client", async () => {
  await cut("pause", ["camera"], async () => {
    await button(await options(host, MEMBER), "Pause video").click();
  });
  await told(member, `${OWNER} paused your video.`);
  await host.shoot("16-paused");
  await obey();
});

step("an attendee asks for the screen, is allowed, shares, and is stopped", async () => {
  await tool(member, "Share screen: Ask to share").click();
  await told(host, `${MEMBER} asks to share their screen.`);
  await button(host.page.getByRole("status", { name: "Notices" }), "Allow").click();
  await turn(member, "Share screen", true);
  await closePanel(host);
  await host.page.getByLabel(`Shared screen of ${MEMBER}`).waitFor();
  await until(
    "the screen at the host",
    () => host.page.evaluate(() => document.querySelector<HTMLVideoElement>("li[data-source=screen] video")?.videoWidth ?? 0),
    (width) => width > 0,
  );
  await host.shoot("17-share");
  await cut("share_stop", ["screen", "screen_audio"], async () => {
    await button(await options(host, MEMBER), "Stop share").click();
  });
  await told(member, `${OWNER} stopped your screen share.`);
  await obey();
});

step("roles, hands and the lock are told in words", async () => {
  const role = (await options(host, MEMBER)).getByLabel("Role");
  await role.selectOption({ label: "Presenter" });
  await told(member, `${OWNER} made you a presenter.`);
  await tool(member, "Raise hand").click();
  await host.page.getByRole("complementary", { name: "People" }).getByRole("img", { name: "Hand raised" }).waitFor();
  await host.shoot("18-people");
  const panel = await openRoomPanel(host, "Invite");
  await button(panel, "Show the password").click();
  assert.equal(await panel.getByLabel("Room password", { exact: true }).getAttribute("data-value"), room.password);
  await openRoomPanel(host);
  await button(panel, "Lock the room").click();
  await told(member, `${OWNER} locked the room.`);
  await host.shoot("19-room-panel");
  await member.shoot("20-locked");
  await button(panel, "Unlock the room").click();
  await told(member, `${OWNER} unlocked the room.`);
});

step("removal is complete: what is sent is dropped, and no way leads back in", async () => {
  await (await options(host, MEMBER)).getByLabel("May show video").click();
  await turn(member, "Camera", true);
  const secret = await member.page.evaluate(() => window.wire.secret);
  const forwarded = async () => (await server.counter("conclave_media_forwarded_audio_total")) + (await server.counter("conclave_media_forwarded_video_total"));
  await member.page.evaluate(() => void (window.media.deaf = true));
  relay.deaf = true;
  const acknowledged = host.page.evaluate(() => window.wire.statsWhenDone("remove"));
  await button(await options(host, MEMBER), "Remove from the room").click();
  await host.shoot("21-remove");
  await button(host.page.getByRole("dialog"), "Remove").click();
  await acknowledged;
  // The counters of the metrics page are as fresh as the last turn of the media loop.
  await pause(100);
  const [sent, through, refused] = [relay.passed, await forwarded(), await server.counter("conclave_media_unknown_source_total")];
  await pause(WATCH_MS);
  const dropped = (await server.counter("conclave_media_unknown_source_total")) - refused;
  const after = (await forwarded()) - through;
  figure("e2e.packets_after.remove", after, "packets");
  figure("e2e.packets_dropped.remove", dropped, "packets");
  assert.ok(relay.passed > sent, "the hostile client did not go on sending");
  assert.equal(after, 0);
  assert.ok(dropped > 0);

  const { page } = member;
  await page.getByRole("heading", { name: "You were removed" }).waitFor();
  await member.shoot("22-removed");
  const answers = await page.evaluate(
    async ([id, password, resume]) => [
      (await window.wire.first(id ?? "", { type: "resume", secret: resume, seen: 0 })).code,
      (await window.wire.first(id ?? "", { type: "join", password })).code,
    ],
    [room.id, room.password, secret],
  );
  assert.deepEqual(answers, ["cannot_resume", "cannot_join"]);
  await page.reload();
  await page.getByRole("heading", { name: "Before you go in" }).waitFor();
  await knock(member, room.password);
  await page.getByRole("alert").getByText("does not work").waitFor();
  await host.page.getByLabel(`${MEMBER},`, { exact: false }).waitFor({ state: "detached" });
});

step("the end, and nothing that the content policy had to stop", async () => {
  const panel = await openRoomPanel(host);
  await button(panel, "End for everyone").click();
  await button(host.page.getByRole("dialog"), "End for everyone").click();
  await host.page.getByRole("heading", { name: "The meeting is over" }).waitFor();
  await host.shoot("23-over");
  assert.deepEqual([...host.complaints, ...member.complaints], []);
});

/** Does a cut while the member's browser does not obey, and prints what the server forwarded and dropped after it had said "done". */
async function cut(name: "mute" | "pause" | "share_stop", sources: readonly string[], act: () => Promise<void>): Promise<void> {
  const type = { mute: "mute", pause: "pause_video", share_stop: "stop_share" }[name];
  await member.page.evaluate(() => void (window.media.deaf = true));
  const acknowledged = host.page.evaluate((wanted) => window.wire.statsWhenDone(wanted), type);
  await act();
  const first = counted(await acknowledged, memberId, sources);
  await pause(WATCH_MS);
  const second = counted(await stats(), memberId, sources);
  figure(`e2e.packets_after.${name}`, second.forwarded - first.forwarded, "packets");
  figure(`e2e.packets_dropped.${name}`, second.dropped - first.dropped, "packets");
  assert.ok(first.forwarded > 0, "nothing was forwarded before the cut");
  assert.equal(second.forwarded, first.forwarded);
  assert.ok(second.dropped > first.dropped, "the hostile client did not go on sending");
}

/** The member's browser does again what it is told: what its page had let go of is now really stopped. */
async function obey(): Promise<void> {
  await member.page.evaluate(async () => {
    window.media.deaf = false;
    const lit = (name: string) => document.querySelector(`[role=toolbar] button[aria-label="${name}"]`)?.getAttribute("aria-pressed") === "true";
    const on = [lit("Mic"), lit("Camera"), lit("Share screen"), lit("Share screen")];
    const senders = window.media.peers.at(-1)?.getSenders() ?? [];
    for (const [at, wanted] of on.entries()) {
      const track = senders[at]?.track;
      if (wanted || track === null || track === undefined) continue;
      await senders[at]?.replaceTrack(null);
      track.stop();
    }
  });
}

async function stats(): Promise<StatsLine[]> {
  const done = await host.page.evaluate(() => window.wire.request({ type: "stats" }));
  return (done as { sources: StatsLine[] }).sources;
}

async function assertNothingOfTheRoom(): Promise<void> {
  const content = `${await member.page.content()} ${await member.page.title()} ${(await member.page.evaluate(() => window.wire?.frames ?? [])).join(" ")}`;
  for (const secret of [TITLE, OWNER]) assert.ok(!content.includes(secret), `the page of someone outside shows “${secret}”`);
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resume) => setTimeout(resume, milliseconds));
}
