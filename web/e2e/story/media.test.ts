// Media between real browsers of two makers: everyone sees and hears everyone, a screen beside a camera, the size that suits the
// tile, nothing for what is not shown, picture and sound in step.

import assert from "node:assert/strict";
import { after, before } from "node:test";
import { accessible, fits } from "../axe.js";
import { until, type Seat } from "../browser.js";
import { story } from "../chapter.js";
import { closeMirror, installClapper, openMirror, watchClapper } from "../clapper.js";
import { figure } from "../figures.js";
import type { Fox } from "../firefox.js";
import { opening, type Opening } from "../opening.js";
import type { Inbound } from "../probe.js";
import { button, closePanel, isIn, knock, openRoomPanel, peoplePanel, tool, turn } from "../steps.js";

const OWNER = "Room Owner";
const MEMBER = "Second Member";
const FOX = "Third Member";
const WATCH_MS = 7_000;
/** Lips and voice further apart than this are seen to be. */
const IN_STEP_MS = 80;
const LOOKS = 5;
/** A publisher begins an encoding, the estimate grows to it, and a key frame comes. */
const LAYERS_MS = 60_000;

let meeting: Opening<"host" | "member">;
let host: Seat;
let member: Seat;
let fox: Fox;
const ids: Record<string, string> = {};

const step = story(() => ({ host, member }));

before(async () => {
  meeting = await opening({ host: OWNER, member: MEMBER }, { stage: "entered", firefox: FOX, speaker: true, relay: { who: "member" } });
  ({ host, member } = meeting.seats);
  fox = meeting.fox;
  await member.page.goto(meeting.room.link);
});

after(() => meeting?.close());

step("three come in, one of them with Firefox", async () => {
  await Promise.all([knock(member, meeting.room.password), fox.knock(meeting.room)]);
  const panel = await peoplePanel(host, "Waiting");
  for (const name of [MEMBER, FOX]) await button(panel, `Let in ${name}`).click();
  await isIn(member);
  await closePanel(host);
  for (const name of [OWNER, MEMBER, FOX]) {
    ids[name] = (await host.page.locator(`li[aria-label^="${name}"]`).first().getAttribute("data-participant")) ?? "";
    assert.notEqual(ids[name], "");
  }
});

step("everyone sees and hears everyone, Firefox too", async () => {
  for (const seat of [host, member]) {
    await turn(seat, "Microphone", true);
    await turn(seat, "Camera", true);
  }
  await fox.turnOn("Mic");
  await fox.turnOn("Camera");
  const looks: [string, () => Promise<Inbound[]>, string[]][] = [
    ["host", () => received(host), [MEMBER, FOX]],
    ["member", () => received(member), [OWNER, FOX]],
    ["firefox", () => fox.page.evaluate(() => window.media.inbound()), [OWNER, MEMBER]],
  ];
  for (const [who, look, others] of looks) {
    for (const other of others) {
      const lines = await until(
        `what ${who} receives of ${other}`,
        look,
        (found) => (of(found, other, "camera")?.frames ?? 0) >= 15 && (of(found, other, "microphone")?.energy ?? 0) > 0.0005,
      );
      figure(`e2e.media.frames.${who}.${other === FOX ? "of_firefox" : "of_chromium"}`, of(lines, other, "camera")?.frames ?? 0, "frames");
    }
  }
  await host.shoot("90-three");
  await fox.shoot("91-three-firefox");
});

step("a screen stands beside the camera of the same person", async () => {
  await turn(host, "Share screen", true);
  for (const look of [() => received(member), () => fox.page.evaluate(() => window.media.inbound())]) {
    const screen = await until("the shared screen", look, (found) => (of(found, OWNER, "screen")?.frames ?? 0) > 0);
    const before = of(screen, OWNER, "camera")?.frames ?? 0;
    await until("the camera beside it", look, (found) => (of(found, OWNER, "camera")?.frames ?? 0) > before);
  }
  await member.page.getByLabel(`Shared screen of ${OWNER}`).waitFor();
  await member.shoot("92-screen-beside-camera");
  await turn(host, "Share screen", false);
});

step("who is not shown is not sent, and comes back when shown again", async () => {
  const pictures = async () => (await received(member)).filter((line) => line.kind === "video");
  await until("both cameras", pictures, (lines) => lines.length === 2);
  await member.page.evaluate(() => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => true });
    document.dispatchEvent(new Event("visibilitychange"));
  });
  // Bytes of all pictures together, whatever slot they came in.
  const bytes = () => member.page.evaluate(() => window.media.videoBytes());
  await until("the slots to be empty", pictures, (lines) => lines.length === 0);
  await pause(500);
  const before = await bytes();
  await pause(2_000);
  const after = await bytes();
  figure("e2e.media.hidden_bytes", after - before, "bytes");
  assert.equal(after, before);
  await member.page.evaluate(() => {
    Reflect.deleteProperty(document, "hidden");
    document.dispatchEvent(new Event("visibilitychange"));
  });
  await until("both cameras again", pictures, (lines) => lines.length === 2);
  await until("pictures again", bytes, (now) => now > after);
});

step("picture and sound of one person are in step", async () => {
  await host.page.evaluate(installClapper);
  for (const name of ["Microphone", "Camera"] as const) {
    await turn(host, name, false);
    await turn(host, name, true);
  }
  const watch = async (look: () => Promise<Inbound[]>, run: (input: Parameters<typeof watchClapper>[0]) => Promise<number[]>) => {
    const lines = await until("the clapper", look, (found) => (of(found, OWNER, "camera")?.width ?? 0) > 0 && of(found, OWNER, "microphone") !== undefined);
    return run({ picture: of(lines, OWNER, "camera")?.mid ?? "", sound: of(lines, OWNER, "microphone")?.mid ?? "", milliseconds: WATCH_MS });
  };
  // What is new settles first, as the buffers of a receiver do.
  await pause(6_000);
  // What looking itself puts between the two is seen on a clapper that goes from a page to itself.
  const mirrored = async (page: Pick<Fox["page"] & Seat["page"], "evaluate">) => {
    await page.evaluate(installClapper);
    try {
      return await page.evaluate(watchClapper, { ...(await page.evaluate(openMirror)), milliseconds: WATCH_MS });
    } finally {
      await page.evaluate(closeMirror);
    }
  };
  const watches = {
    chromium: [() => watch(() => received(member), (input) => member.page.evaluate(watchClapper, input)), () => mirrored(member.page)],
    firefox: [() => watch(() => fox.page.evaluate(() => window.media.inbound()), (input) => fox.page.evaluate(watchClapper, input)), () => mirrored(fox.page)],
  } as const;
  const measured = Object.entries(watches).map(async ([who, [look, mirror]]) => {
    // Buffers grow and shrink with the load of the machine, and are followed within seconds: a later look counts when the first came in
    // between. A machine that has no time to look sees its own mirror out of step, and such a look counts for nothing.
    let [apart, counted] = [Number.NaN, 0];
    for (let turn = 0; turn < LOOKS && !(Math.abs(apart) <= IN_STEP_MS); turn += 1) {
      const [floor, seen] = [middle(await mirror()), middle(await look())];
      figure(`e2e.media.av_offset.${who}.mirror`, floor, "ms");
      if (!(Math.abs(floor) <= IN_STEP_MS)) continue;
      counted += 1;
      apart = seen - floor;
      figure(`e2e.media.av_offset.${who}`, apart, "ms");
    }
    const said = Number.isNaN(apart) ? "fewer than four claps were seen and heard" : `${apart} ms apart`;
    assert.ok(counted === 0 || Math.abs(apart) <= IN_STEP_MS, `${who}: ${said}`);
    if (counted === 0) console.log(`${who}: this machine sees not even its own mirror in step, and the step says nothing`);
  });
  await Promise.all(measured);
});

step("hosts see how everyone's connection does, and everyone sees their own", async () => {
  const panel = await openRoomPanel(host, "Quality");
  const table = panel.getByRole("table", { name: "Connections of everyone in the room" });
  for (const name of [OWNER, MEMBER, FOX]) await table.getByRole("row").filter({ hasText: name }).getByText(/^(Good|Fair|Poor)$/u).waitFor();
  const open = button(table, FOX);
  await open.focus();
  await host.page.keyboard.press("Enter");
  assert.equal(await open.getAttribute("aria-expanded"), "true");
  await table.getByText("UDP, straight to the server").waitFor();
  await table.getByText(/AEAD-AES-(?:128|256)-GCM/u).waitFor();
  await table.getByText(/packets .* passed on/u).first().waitFor();
  await host.shootDark("93-quality");
  await accessible(host, "quality_panel");
  await fits(host, "quality_panel");
  await closePanel(host);
  await button(member.page, "Preferences").click();
  await member.shoot("94-preferences");
  await accessible(member, "preferences");
  await button(member.page, "Your connection").click();
  const dialog = member.page.getByRole("dialog", { name: "Your connection" });
  await dialog.getByText(`Camera of ${OWNER}`).waitFor();
  await member.shootDark("95-connection");
  await accessible(member, "connection_dialog");
  await fits(member, "connection_dialog");
  await member.page.keyboard.press("Escape");
});

step("another network interrupts for a moment and turns nothing off", async () => {
  const page = member.page;
  const ufrag = () => page.evaluate(() => /^a=ice-ufrag:(\S+)/mu.exec(window.media.peers.at(-1)?.localDescription?.sdp ?? "")?.[1]);
  const mine = () => received(host).then((lines) => of(lines, MEMBER, "camera")?.frames ?? 0);
  const [before, transports] = [await ufrag(), await page.evaluate(() => window.media.peers.length)];
  const [moved, frames] = [Date.now(), await mine()];
  meeting.relay.move();
  await page.evaluate(() => dispatchEvent(new Event("online")));
  await until("other credentials", ufrag, (now) => now !== before);
  await until("the member's pictures from elsewhere", mine, (now) => now > frames + 10);
  figure("e2e.media.network_change", Date.now() - moved, "ms");
  const theirs = of(await received(member), OWNER, "camera")?.frames ?? 0;
  await until("the owner's pictures elsewhere", () => received(member), (lines) => (of(lines, OWNER, "camera")?.frames ?? 0) > theirs + 10);
  assert.equal(await page.evaluate(() => window.media.peers.length), transports);
  for (const name of ["Microphone", "Camera"]) assert.equal(await tool(member, name).getAttribute("aria-pressed"), "true");
});

step("each codec is negotiated by its sender and decoded by Chromium and by Firefox", async () => {
  // A new transport for each pair: the page is loaded anew, and the tab comes back into the room.
  const pairs: [video: string, audio: string, firefox: boolean][] = [
    ["VP9", "RED", true],
    ["AV1", "opus", true],
    ["H264", "RED", false],
    ["VP8", "opus", true],
  ];
  for (const [video, audio, inFirefox] of pairs) {
    await host.page.evaluate(
      ([picture, sound]) => {
        sessionStorage.setItem("probe.video", picture ?? "");
        sessionStorage.setItem("probe.audio", sound ?? "");
      },
      [video, audio],
    );
    await comeBack(host);
    for (const name of ["Microphone", "Camera"] as const) await turn(host, name, true);
    const receivers: [string, () => Promise<Inbound[]>][] = [["chromium", () => received(member)]];
    if (inFirefox) receivers.push(["firefox", () => fox.page.evaluate(() => window.media.inbound())]);
    await Promise.all(
      receivers.map(async ([who, look]) => {
        // The slot may be one that carried another codec before: what counts is what comes now.
        const start = await until(
          `${video} and ${audio} in ${who}`,
          look,
          (lines) => of(lines, OWNER, "camera")?.codec.toLowerCase() === `video/${video.toLowerCase()}` && of(lines, OWNER, "microphone")?.codec.toLowerCase().startsWith("audio/") === true,
        );
        const before = { frames: of(start, OWNER, "camera")?.frames ?? 0, energy: of(start, OWNER, "microphone")?.energy ?? 0 };
        const lines = await until(
          `${video} and ${audio} decoded by ${who}`,
          look,
          (now) => (of(now, OWNER, "camera")?.frames ?? 0) >= before.frames + 10 && (of(now, OWNER, "microphone")?.energy ?? 0) > before.energy + 0.0005,
        );
        figure(`e2e.media.codec.${video.toLowerCase()}.${who}`, (of(lines, OWNER, "camera")?.frames ?? 0) - before.frames, "frames");
        // RED is taken apart for those who did not offer it, and is Opus to them.
        const sound = of(lines, OWNER, "microphone")?.codec.toLowerCase() ?? "";
        const expected = audio === "RED" ? ["audio/red", "audio/opus"] : [`audio/${audio.toLowerCase()}`];
        assert.ok(expected.includes(sound), `${who} has ${sound} for ${audio}`);
      }),
    );
  }
  await host.page.evaluate(() => {
    sessionStorage.removeItem("probe.video");
    sessionStorage.removeItem("probe.audio");
  });
});

step("the size that is sent follows the size of the tile", async () => {
  await comeBack(host);
  await turn(host, "Camera", true);
  const height = () => received(member).then((lines) => of(lines, OWNER, "camera")?.height ?? 0);
  const large = await until("a large picture in a large tile", height, (now) => now >= 360, LAYERS_MS);
  await member.page.setViewportSize({ width: 360, height: 400 });
  const began = Date.now();
  const small = await until("a small picture in a small tile", height, (now) => now > 0 && now < large, LAYERS_MS);
  figure("e2e.media.layer.large", large, "lines");
  figure("e2e.media.layer.small", small, "lines");
  figure("e2e.media.layer.switch", Date.now() - began, "ms");
  await member.page.setViewportSize({ width: 1280, height: 800 });
  await until("the large picture again", height, (now) => now === large, LAYERS_MS);
});

for (const codec of ["vp9", "av1"] as const) {
  step(`and so it does where ${codec.toUpperCase()} has all sizes in one stream`, async () => {
    await host.page.evaluate((wanted) => localStorage.setItem("conclave.pictures.codec", wanted), codec);
    await comeBack(host);
    await turn(host, "Camera", true);
    const look = () => received(member).then((lines) => of(lines, OWNER, "camera"));
    const sized = (what: string, good: (height: number) => boolean) =>
      until(what, look, (line) => line?.codec.toLowerCase() === `video/${codec}` && good(line.height), LAYERS_MS);
    const large = await sized(`a large picture in ${codec}`, (height) => height >= 270);
    const decoded = large?.frames ?? 0;
    await until(`pictures in ${codec}`, look, (line) => (line?.frames ?? 0) > decoded + 5, LAYERS_MS);
    await member.page.setViewportSize({ width: 360, height: 400 });
    const small = await sized(`a small picture in ${codec}`, (height) => height > 0 && height < (large?.height ?? 0));
    figure(`e2e.media.layer.${codec}.large`, large?.height ?? 0, "lines");
    figure(`e2e.media.layer.${codec}.small`, small?.height ?? 0, "lines");
    await member.page.setViewportSize({ width: 1280, height: 800 });
    await sized(`the large picture in ${codec} again`, (height) => height > (small?.height ?? 0));
    // Firefox shows it too, in whatever sizes it can tell apart.
    const theirs = () => fox.page.evaluate(() => window.media.inbound()).then((lines) => of(lines, OWNER, "camera"));
    const shown = await until(`${codec} in Firefox`, theirs, (line) => line?.codec.toLowerCase() === `video/${codec}` && line.frames > 0, LAYERS_MS);
    const last = await until(`pictures in ${codec} in Firefox`, theirs, (line) => (line?.frames ?? 0) > (shown?.frames ?? 0) + 5, LAYERS_MS);
    figure(`e2e.media.layer.${codec}.firefox`, last?.height ?? 0, "lines");
    await host.page.evaluate(() => localStorage.removeItem("conclave.pictures.codec"));
  });
}

step("without UDP media goes over TCP, on the port of HTTPS", async () => {
  await comeBack(host);
  await turn(host, "Camera", true);
  await member.page.evaluate(() => sessionStorage.setItem("probe.way", "tcp"));
  await comeBack(member);
  const way = await until("the way", () => member.page.evaluate(() => window.media.way()), (found) => found !== null);
  assert.equal(way, "tcp");
  await until("pictures over TCP", () => received(member), (lines) => (of(lines, OWNER, "camera")?.frames ?? 0) > 15);
  await turn(member, "Camera", true);
  const mine = () => received(host).then((lines) => of(lines, MEMBER, "camera")?.frames ?? 0);
  const before = await until("the member's slot", mine, (frames) => frames > 0);
  figure("e2e.media.tcp_frames", (await until("the member's pictures over TCP", mine, (frames) => frames > before + 15)) - before, "frames");
  await member.page.evaluate(() => sessionStorage.removeItem("probe.way"));
});

/** Loads the page anew: the tab comes back into the room with a new transport. */
async function comeBack(seat: Seat): Promise<void> {
  await seat.page.reload();
  await isIn(seat);
}

/** What a page receives, each line with whose it is. */
function received(seat: Seat): Promise<Inbound[]> {
  return seat.page.evaluate(() => window.media.inbound());
}

function of(lines: readonly Inbound[], name: string, source: string): Inbound | undefined {
  return lines.find((line) => line.participant === ids[name] && line.source === source);
}

/** The middle of many; nothing where a machine had no time to look. */
function middle(many: readonly number[]): number {
  return many.length < 4 ? Number.NaN : (many.toSorted((x, y) => x - y)[Math.floor(many.length / 2)] ?? Number.NaN);
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resume) => setTimeout(resume, milliseconds));
}
