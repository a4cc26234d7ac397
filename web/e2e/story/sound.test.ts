// Sound as it arrives: each codec that a browser sends is decoded by the browsers of two makers, as loud and as high as it was spoken,
// with silence that costs nothing and without it.

import assert from "node:assert/strict";
import { after, before } from "node:test";
import { until, type Seat } from "../browser.js";
import { story } from "../chapter.js";
import { figure } from "../figures.js";
import { Fox } from "../firefox.js";
import { opening, type Opening } from "../opening.js";
import type { Inbound, Voice } from "../probe.js";
import { button, isIn, openRoomPanel, turn } from "../steps.js";
import { installVoice, listen } from "../voice.js";

const OWNER = "Room Owner";
const MEMBER = "Second Member";
const FOX = "Third Member";
const PITCH = 440;
const LOUD = 0.5;
/** A new stream fills the buffers of its receivers first. */
const SETTLE_MS = 1_000;
const WATCH_MS = 2_000;
/** How long one who speaks by turns speaks, and rests: longer than what an encoder takes for a pause within a word. */
const TURNS = [1_200, 1_800] as const;

let meeting: Opening<"host" | "member">;
let host: Seat;
let member: Seat;
let fox: Fox;
let foxCodecs: string[] = [];

const step = story(() => ({ host, member }));

before(async () => {
  meeting = await opening({ host: OWNER, member: MEMBER }, { stage: "in", firefox: FOX });
  ({ host, member } = meeting.seats);
  fox = meeting.fox;
  await host.context.addInitScript(installVoice, PITCH);
  foxCodecs = await fox.page.evaluate(() => (RTCRtpSender.getCapabilities("audio")?.codecs ?? []).map((codec) => codec.mimeType.toLowerCase()));
});

after(async () => {
  await meeting?.close();
});

for (const codec of ["opus", "RED", "G722", "PCMU", "PCMA"]) {
  step(`${codec} of Chromium is heard as it was spoken`, async () => {
    await speakIn(codec, { rests: true });
    await host.page.evaluate((loud) => window.throat.speak(loud), LOUD);
    const sent = await watchVoice();
    const name = codec.toLowerCase();
    // Chromium calls RED by what is in it; two blocks a packet weigh more than one.
    assert.equal(sent.codec.toLowerCase(), codec === "RED" ? "audio/opus" : `audio/${name}`);
    figure(`e2e.sound.${name}.rate`, (sent.bytes * 8) / (WATCH_MS / 1_000) / 1_000, "kbit/s");
    if (codec === "RED") assert.ok(sent.bytes / sent.packets > 150, `${sent.bytes} bytes in ${sent.packets} packets are no repetitions`);
    for (const [who, got] of Object.entries(sent.heard)) {
      figure(`e2e.sound.${name}.${who}`, got.energy / sent.energy, "energy");
      assert.equal(got.codec.toLowerCase(), codec === "RED" ? "audio/opus" : `audio/${name}`);
      assert.ok(Math.abs(got.energy / sent.energy - 1) < 0.25, `${who} heard ${got.energy} of ${sent.energy}`);
      assert.ok(got.concealed < got.samples * 0.05, `${who} made up ${got.concealed} of ${got.samples} samples`);
    }
    const [ear] = await member.page.evaluate(listen, [sent.heard.chromium.mid]);
    assert.ok(Math.abs((ear?.pitch ?? 0) - PITCH) < 8, `${ear?.pitch} Hz were heard for ${PITCH}`);
  });
}

for (const [codec, rests] of [
  ["opus", true],
  ["RED", true],
  ["RED", false],
] as const) {
  step(`who speaks in ${codec} by turns is heard whole, ${rests ? "and sends next to nothing while silent" : "also when silence is sent"}`, async () => {
    await speakIn(codec, { rests });
    await host.page.evaluate(([loud, speaks, silent]) => window.throat.talk(loud, speaks, silent), [LOUD, ...TURNS] as const);
    // Two whole turns.
    const during = 2 * (TURNS[0] + TURNS[1]);
    const sent = await watchVoice(during);
    const name = `e2e.sound.${codec.toLowerCase()}.${rests ? "resting" : "always"}`;
    const each = sent.packets / (during / 1_000);
    figure(`${name}.packets`, each, "1/s");
    assert.ok(rests ? each < 40 : each > 45, `${each} packets a second`);
    for (const [who, got] of Object.entries(sent.heard)) {
      figure(`${name}.${who}`, got.energy / sent.energy, "energy");
      figure(`${name}.${who}.concealed`, ((got.concealed - got.silent) / got.samples) * 1_000, "permille");
      figure(`${name}.${who}.waits`, (got.waited / Math.max(1, got.emitted)) * 1_000, "ms");
      assert.ok(Math.abs(got.energy / sent.energy - 1) < 0.25, `${who} heard ${got.energy} of ${sent.energy}`);
      assert.ok(got.concealed - got.silent < got.samples * 0.05, `${who} made up ${got.concealed} of ${got.samples} samples`);
    }
  });
}

step("each codec that Firefox has is heard in Chromium", async () => {
  for (const codec of ["opus", "RED", "G722", "PCMU", "PCMA"]) {
    const has = foxCodecs.includes(`audio/${codec.toLowerCase()}`);
    figure(`e2e.sound.firefox_has.${codec.toLowerCase()}`, Number(has), "codecs");
    if (!has) continue;
    await fox.page.evaluate((wanted) => sessionStorage.setItem("probe.audio", wanted), codec);
    await fox.page.reload();
    await fox.turnOn("Mic");
    const look = () => received(host, FOX);
    const first = await until(`${codec} of Firefox`, look, (line) => line?.codec.toLowerCase() === `audio/${codec.toLowerCase()}` && line.energy > 0);
    const last = await until(`the voice of Firefox in ${codec}`, look, (line) => (line?.samples ?? 0) > (first?.samples ?? 0) + 16_000);
    const energy = ((last?.energy ?? 0) - (first?.energy ?? 0)) / ((last?.seconds ?? 0) - (first?.seconds ?? 0));
    figure(`e2e.sound.of_firefox.${codec.toLowerCase()}`, energy, "energy/s");
    assert.ok(energy > 0.001, `${energy} is silence`);
  }
});

step("where only sound flows hosts see how far away everyone is by the server's measure too", async () => {
  const panel = await openRoomPanel(host, "Quality");
  const table = panel.getByRole("table", { name: "Connections of everyone in the room" });
  for (const [who, name] of [["chromium", MEMBER], ["firefox", FOX]] as const) {
    await button(table, name).click();
    const words = table.getByText("Delay as the server measures it").locator("xpath=following-sibling::dd[1]");
    const delay = Number(/^(\d+) ms$/u.exec((await words.textContent()) ?? "")?.[1]);
    figure(`e2e.sound.server_delay.${who}`, delay, "ms");
    assert.ok(delay < 100, `${name}: ${delay} ms on this very machine`);
  }
});

/** A new transport, on which the owner speaks in this codec. */
async function speakIn(codec: string, { rests }: { rests: boolean }): Promise<void> {
  await host.page.evaluate(
    ([sound, dtx]) => {
      sessionStorage.setItem("probe.audio", sound);
      sessionStorage.setItem("probe.dtx", dtx);
    },
    [codec, rests ? "on" : "off"] as const,
  );
  await host.page.reload();
  await isIn(host);
  await turn(host, "Microphone", true);
}

interface Watched extends Voice {
  heard: { chromium: Inbound; firefox: Inbound };
}

/** What was sent and heard within a while. */
async function watchVoice(during = WATCH_MS): Promise<Watched> {
  await new Promise((resume) => setTimeout(resume, SETTLE_MS));
  const look = async () => {
    const [voice, chromium, firefox] = await Promise.all([host.page.evaluate(() => window.media.voice()), received(member, OWNER), received(fox, OWNER)]);
    assert.ok(voice !== null && chromium !== undefined && firefox !== undefined, "nothing is sent, or nothing is heard");
    return { voice, chromium, firefox };
  };
  const before = await look();
  await new Promise((resume) => setTimeout(resume, during));
  const now = await look();
  return { ...difference(before.voice, now.voice), heard: { chromium: difference(before.chromium, now.chromium), firefox: difference(before.firefox, now.firefox) } };
}

/** What was added to each counter. */
function difference<Counters extends Voice | Inbound>(before: Counters, now: Counters): Counters {
  const past = new Map<string, unknown>(Object.entries(before));
  return Object.fromEntries(Object.entries(now).map(([name, value]: [string, unknown]) => [name, typeof value === "number" ? value - Number(past.get(name)) : value])) as unknown as Counters;
}

/** The microphone of one person, as a page gets it. */
async function received(at: Seat | Fox, name: string): Promise<Inbound | undefined> {
  const look = () => window.media.inbound();
  const lines = await (at instanceof Fox ? at.page.evaluate(look) : at.page.evaluate(look));
  const id = await host.page.locator(`li[aria-label^="${name}"]`).first().getAttribute("data-participant");
  return lines.find((line) => line.participant === id && line.source === "microphone");
}
