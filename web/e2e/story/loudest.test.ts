// More people speak than a page has slots for sound: the loudest are heard, each in the slot that says so; who begins to speak gets a
// slot, and who speaks keeps theirs against a noise that is no louder. Each has a voice of a pitch of their own.

import assert from "node:assert/strict";
import { after, before } from "node:test";
import { until, type Seat } from "../browser.js";
import { story } from "../chapter.js";
import { figure } from "../figures.js";
import { opening, type Opening } from "../opening.js";
import type { Inbound } from "../probe.js";
import { isIn, turn } from "../steps.js";
import { installVoice, listen } from "../voice.js";

const SLOTS = 2;
const SPEAKERS = ["first", "second", "third", "fourth"] as const;
type Speaker = (typeof SPEAKERS)[number];
const NAMES: Readonly<Record<Speaker, string>> = { first: "First Speaker", second: "Second Speaker", third: "Third Speaker", fourth: "Fourth Speaker" };
const PITCHES: Readonly<Record<Speaker, number>> = { first: 350, second: 550, third: 800, fourth: 1_100 };
/** Within what a codec and a look at the spectrum keep of it. */
const IN_TUNE_HZ = 12;
/** 69 dB below the loudest that there is: nobody takes it for speech. */
const MURMUR = 0.0005;
const WATCH_MS = 3_000;

let meeting: Opening<"host" | Speaker>;
let host: Seat;
const ids = new Map<string, Speaker>();

const step = story(() => meeting?.seats ?? {});

before(async () => {
  meeting = await opening({ host: "Room Owner", ...NAMES }, { stage: "in", oneBrowser: true });
  host = meeting.seats.host;
  for (const speaker of SPEAKERS) {
    const id = await host.page.locator(`li[aria-label^="${NAMES[speaker]}"]`).first().getAttribute("data-participant");
    ids.set(id ?? "", speaker);
    await meeting.seats[speaker].page.evaluate(installVoice, PITCHES[speaker]);
  }
  await host.page.evaluate((slots) => sessionStorage.setItem("probe.slots", slots), String(SLOTS));
  await host.page.reload();
  await isIn(host);
});

after(() => meeting?.close());

step("of four who are on, the two who speak are heard", async () => {
  for (const speaker of SPEAKERS) await turn(meeting.seats[speaker], "Microphone", true);
  await speak({ first: 0.5, second: 0.2, third: MURMUR, fourth: MURMUR });
  await until("the two who speak", carried, (slots) => same(slots, ["first", "second"]));
  await inTune();
  const before = await packets();
  await pause(WATCH_MS);
  const each = (await packets() - before) / (WATCH_MS / 1_000);
  figure("e2e.loudest.packets", each, "1/s");
  assert.ok(each > 45 * SLOTS && each < 55 * SLOTS, `${each} packets a second for ${SLOTS} voices`);
  await host.shoot("130-loudest");
});

step("who begins to speak takes the slot of who has fallen silent", async () => {
  const [before, told] = [await carried(), await changes()];
  const began = Date.now();
  await speak({ third: 0.5, first: MURMUR });
  const slots = await until("the third in place of the first", carried, (now) => same(now, ["second", "third"]));
  figure("e2e.loudest.switch", Date.now() - began, "ms");
  assert.equal(await changes(), told + 1);
  // The other slot was left alone.
  const kept = [...before].find(([, speaker]) => speaker === "second")?.[0];
  assert.equal(slots.get(kept ?? ""), "second");
  await inTune();
});

step("who speaks is not put out by somebody little louder", async () => {
  const before = await changes();
  await speak({ fourth: 0.3 });
  await pause(WATCH_MS);
  assert.equal(await changes(), before);
  assert.ok(same(await carried(), ["second", "third"]));
  await inTune();
});

step("who is much louder takes the slot of the quietest", async () => {
  await speak({ fourth: 0.9 });
  await until("the fourth in place of the second", carried, (slots) => same(slots, ["third", "fourth"]));
  await inTune();
});

step("who falls silent keeps the slot as long as nobody needs it", async () => {
  const before = await changes();
  await speak({ second: MURMUR, third: MURMUR, fourth: MURMUR });
  await pause(WATCH_MS);
  const after = await changes();
  figure("e2e.loudest.idle_changes", after - before, "events");
  assert.equal(after, before);
});

/** How loud each is from now on. */
async function speak(loud: Partial<Record<Speaker, number>>): Promise<void> {
  await Promise.all(Object.entries(loud).map(([speaker, level]) => meeting.seats[speaker as Speaker].page.evaluate((wanted) => window.throat.speak(wanted), level)));
}

function microphones(): Promise<Inbound[]> {
  return host.page.evaluate(() => window.media.inbound()).then((lines) => lines.filter((line) => line.source === "microphone"));
}

/** Who is in which slot, as the server says. */
async function carried(): Promise<Map<string, Speaker | undefined>> {
  return new Map((await microphones()).map((line) => [line.mid, ids.get(line.participant)]));
}

/** What is heard in each slot is the voice of the one who is said to be there. */
async function inTune(): Promise<void> {
  const slots = await carried();
  const pitches = async () => (await host.page.evaluate(listen, [...slots.keys()])).map((heard) => Math.round(heard.pitch));
  const wanted = [...slots.values()].map((speaker) => PITCHES[speaker ?? "first"]);
  await until(`the voices of ${[...slots.values()].join(" and ")}`, pitches, (heard) => heard.every((pitch, at) => Math.abs(pitch - (wanted[at] ?? 0)) < IN_TUNE_HZ), 5_000);
}

async function packets(): Promise<number> {
  return (await microphones()).reduce((sum, line) => sum + line.packets, 0);
}

/** How often the server said who is in which slot. */
function changes(): Promise<number> {
  return host.page.evaluate(() => window.wire.frames.filter((frame) => frame.includes('"type":"slots"')).length);
}

function same(slots: ReadonlyMap<string, Speaker | undefined>, wanted: readonly Speaker[]): boolean {
  return slots.size === wanted.length && wanted.every((speaker) => [...slots.values()].includes(speaker));
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resume) => setTimeout(resume, milliseconds));
}
