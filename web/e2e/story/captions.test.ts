// Captions from the microphone to the page: two people speak, a third reads the right words under the right names, as they were spoken
// and translated; who is muted, refuses or is removed is not read and does not read; what a name or a sentence holds is text and
// nothing else; what is kept can be had as files that Chromium itself reads.

import assert from "node:assert/strict";
import { readFile, rm } from "node:fs/promises";
import { after, before } from "node:test";
import { dirname, resolve } from "node:path";
import type { Locator } from "playwright-core";
import { accessible, fits } from "../axe.js";
import { until, type Seat } from "../browser.js";
import { story } from "../chapter.js";
import { figure } from "../figures.js";
import { letIn, opening, type Opening } from "../opening.js";
import { sentences, speak, wordErrors, wordsOf, type Speech } from "../spoken.js";
import { button, closePanel, knock, openRoomPanel, setSetting, told, tool, turn, waits } from "../steps.js";
import { checked, readCues } from "../subtitles.js";

const OWNER = "Room Owner";
/** A name that would like to be more than one. */
const MEMBER = "--> <v Room Owner> <b>Second</b> &amp;";
const READER = "Third Reader";
const MODEL = "../../captions/testdata/meeting-tiny-q5_0.bin";
/** For each of the two who speak. */
const SENTENCES = Number(process.env["E2E_SENTENCES"] ?? 3);
/** How long one is listened to who must not be heard. */
const SILENCE_MS = 6_000;
/** From the last word to the page, on a machine that does other things too. */
const LATE_MS = 25_000;

interface Cue {
  cue: number;
  revision: number;
  speaker: string;
  language: string;
  original: boolean;
  committed: string;
  tentative: string;
  final: boolean;
}

interface Line {
  name: string;
  translation: string;
  original: string;
}

let meeting: Opening<"host" | "member" | "reader" | "waiting">;
let host: Seat;
let member: Seat;
let reader: Seat;
let waiting: Seat;
let speeches: Speech[];
let ids: { host: string; member: string; reader: string };

const step = story(() => ({ host, member, reader }));

before(async () => {
  const all = (await sentences()).slice(0, Math.max(2, SENTENCES));
  // Opposite orders: the two never say the same at the same time.
  speeches = [await speak(all, { lead: 2, rest: 2 }), await speak([...all].reverse(), { lead: 2, rest: 2 })];
  const [first, second] = speeches;
  meeting = await opening(
    { host: OWNER, member: MEMBER, reader: READER, waiting: "Fourth Person" },
    {
      stage: "entered",
      title: "Quarterly review",
      oneBrowser: true,
      voices: { host: first?.file ?? "", member: second?.file ?? "" },
      settings: { CONCLAVE_CAPTIONS__MODEL: resolve(MODEL), CONCLAVE_CAPTIONS__LANGUAGE: "en" },
    },
  );
  ({ host, member, reader, waiting } = meeting.seats);
  // What is spoken is a file: nothing in the room has to be kept out of it.
  for (const seat of [host, member]) await seat.context.addInitScript(openEars);
  await host.page.reload();
});

after(async () => {
  await meeting?.close();
  for (const speech of speeches ?? []) await rm(dirname(speech.file), { recursive: true, force: true });
});

step("captions are off; a host turns them on and a transcript too, and everyone who is in or comes in is told", async () => {
  await letIn(host, member, meeting.room);
  assert.equal(await button(member.page, /^Captions are/u).count(), 0);
  const panel = await captionsPanel(member);
  await panel.getByText("Captions are off in this room").waitFor();
  await closePanel(member);
  await setSetting(host, "Captions", "On");
  await told(member, /turned captions on: what you say is turned into text/u);
  await button(member.page, /^Captions are on/u).waitFor();
  assert.equal(await button(member.page, /^A transcript is kept/u).count(), 0);
  await setSetting(host, "Transcript", "On");
  await told(member, /turned the transcript on/u);
  await button(member.page, /^A transcript is kept/u).waitFor();
  await letIn(host, reader, meeting.room);
  await told(reader, /Captions are on in this room/u);
  await told(reader, /A transcript is kept in this room/u);
  await reader.shoot("110-captions-told");
  await waiting.page.goto(meeting.room.link);
  await knock(waiting, meeting.room.password);
  await waits(waiting);
  await closePanel(host);
  ids = { host: await own(host), member: await own(member), reader: await own(reader) };
});

step("a reader chooses a language, with the original beside it, and the choice is kept", async () => {
  const panel = await captionsPanel(reader);
  await panel.getByText("You read no captions.").waitFor();
  await until("the languages", () => panel.getByLabel("Captions for you").locator("option").allInnerTexts(), (labels) => labels.includes("Spanish"));
  await panel.getByLabel("Captions for you").selectOption({ label: "Spanish" });
  await panel.getByLabel("What was spoken beside it").click();
  await panel.getByText("Rough machine translation by Apertium").waitFor();
  await until("the choice", () => panel.getByLabel("What was spoken beside it").isChecked(), Boolean);
  assert.deepEqual(await reader.page.evaluate(() => [localStorage.getItem("conclave.captions.language"), localStorage.getItem("conclave.captions.original")]), ["es", "on"]);
});

step("the right words stand under the right names, as they were spoken and in Spanish", async () => {
  await Promise.all([turn(host, "Microphone", true), turn(member, "Microphone", true)]);
  await button(reader.page, /^Captions are running/u).waitFor();
  const [first, second] = speeches;
  assert.ok(first !== undefined && second !== undefined);
  await reader.page.waitForTimeout(first.seconds * 500);
  await reader.page.screenshot({ path: "out/111-captions.png" });
  const wanted = [...first.sentences, ...second.sentences];
  const whole = (lines: readonly Line[]) =>
    lines.filter((line) => line.translation !== "").length >= wanted.length && wordsOf(lines.map((line) => line.original).join(" ")).length >= wordsOf(wanted.join(" ")).length;
  await until("all that is said", () => heard(reader), whole, first.seconds * 1_000 + LATE_MS).catch(() => undefined);
  const lines = await heard(reader);
  let [errors, words] = [0, 0];
  for (const [name, speech] of [[OWNER, first], [MEMBER, second]] as const) {
    const own = lines.filter((line) => line.name === name).map((line) => line.original);
    const counted = wordErrors(speech.sentences.join(" "), own.join(" "));
    if (counted.errors > 0) console.log(`${name}: ${speech.sentences.join(" · ")}\nread: ${own.join(" · ")}`);
    errors += counted.errors;
    words += counted.words;
  }
  figure("captions.e2e_sentences", wanted.length, "count");
  figure("captions.e2e_wer", (100 * errors) / words, "percent");
  assert.ok(errors / words <= 0.05, `${errors} of ${words} words are wrong`);
  const translated = lines.filter((line) => line.translation !== "");
  figure("captions.e2e_translated", translated.length, "lines");
  assert.ok(translated.length >= wanted.length * 0.8, `${translated.length} of ${wanted.length} sentences were translated`);
  const spanish = wordsOf(translated.map((line) => line.translation).join(" "));
  assert.ok(["reunión", "por", "el", "la", "en"].filter((word) => spanish.includes(word)).length >= 2, spanish.join(" "));
  for (const line of translated) assert.notEqual(line.translation, line.original);
  assert.deepEqual([...new Set(lines.map((line) => line.name))].sort(), [MEMBER, OWNER].sort());
});

step("what was committed was never taken back on its way here", async () => {
  const last = new Map<string, string>();
  let revisions = 0;
  for (const { cue } of await cues(reader)) {
    if (!cue.original) continue;
    const before = last.get(`${cue.cue}`) ?? "";
    assert.ok(cue.committed.startsWith(before), `“${before}” became “${cue.committed}”`);
    last.set(`${cue.cue}`, cue.committed);
    revisions += 1;
  }
  assert.ok(revisions > 0);
});

step("a host allows other languages and writes words down, and whoever reads Spanish reads what was spoken from then on", async () => {
  const panel = await captionsPanel(host, "The room");
  const part = panel.getByRole("region", { name: "Languages and words" });
  await part.getByLabel("May be translated into").selectOption({ label: "Only the languages below" });
  await part.getByText("No language is allowed yet: nothing will be translated.").waitFor();
  await part.getByLabel("Allow another language").selectOption({ label: "Catalan" });
  await part.getByRole("list", { name: "Allowed languages" }).getByText("Catalan").waitFor();
  const words = part.getByLabel("Words and names that come up");
  await words.fill(Array.from({ length: 33 }, (_, at) => `word ${at}`).join("\n"));
  await part.getByText("These are 33 lines. At most 32 help.").waitFor();
  await accessible(host, "captions_speech");
  await words.fill("Project Heron\n--> <b>Łukasz</b>");
  const before = (await cues(reader)).length;
  await button(part, "Save for this room").click();
  await part.getByText("Saved. A meeting that runs follows at once.").waitFor();
  await host.shootDark("117-captions-languages");
  await fits(host, "captions_speech");
  const own = await captionsPanel(reader);
  await until("the languages", () => own.getByLabel("Captions for you").locator("option").allInnerTexts(), (labels) => labels.includes("Catalan") && !labels.includes("French") && labels.includes("Spanish (not to be had now)"));
  await speakAgain(member);
  const since = async () => (await cues(reader)).slice(before).map(({ cue }) => cue);
  const after = await until("a finished cue", since, (all) => all.some((cue) => cue.original && cue.final && cue.committed !== ""), LATE_MS);
  // What was under way may be taken back; nothing more is translated.
  assert.deepEqual(after.filter((cue) => !cue.original && cue.committed !== ""), []);
  await part.getByLabel("May be translated into").selectOption({ label: "Whatever the server can" });
  await button(part, "Save for this room").click();
  await until("the languages", () => own.getByLabel("Captions for you").locator("option").allInnerTexts(), (labels) => labels.includes("Spanish"));
  assert.equal(await part.getByLabel("Words and names that come up").inputValue(), "Project Heron\n--> <b>Łukasz</b>");
  await turn(member, "Microphone", false);
  await closePanel(host);
});

step("a name that holds markup is text, in the panel and over the picture", async () => {
  const panel = await captionsPanel(reader);
  assert.ok((await panel.locator(".said-head bdi").allInnerTexts()).includes(MEMBER));
  assert.equal(await reader.page.locator(".captions b, .captions v, .captions-log b, .captions-log v").count(), 0);
  assert.deepEqual(reader.complaints, []);
});

step("captions can be read by everyone: axe finds nothing, and they fit a phone and a zoom of 200 %", async () => {
  await accessible(reader, "captions_live");
  await reader.shootDark("112-captions-panel");
  await fits(reader, "captions_live");
  await (await captionsPanel(reader)).getByRole("tab", { name: "How you read" }).click();
  await accessible(reader, "captions_look");
  await reader.shootDark("113-captions-look");
  await captionsPanel(reader, "Live");
});

step("whoever is muted is not read from then on, whatever their page goes on sending", async () => {
  await speakAgain(member);
  await member.page.evaluate(() => void (window.media.deaf = true));
  await host.page.evaluate((participant) => window.wire.request({ type: "mute", participant }), ids.member);
  await nothingMore(Date.now(), "captions.muted");
  await member.page.evaluate(() => void (window.media.deaf = false));
  await member.page.reload();
  await tool(member, "Leave").waitFor();
  await host.page.evaluate((participant) => window.wire.request({ type: "allow", participant, source: "microphone", allowed: true }), ids.member);
});

step("a refusal stops it within 100 ms, everyone sees it, and only the one who refused takes it back", async () => {
  await speakAgain(member);
  const panel = await captionsPanel(member);
  const asked = await member.page.evaluate(() => Date.now());
  await panel.getByLabel("Do not caption me").click();
  await nothingMore(asked, "captions.refusal", 100);
  const row = reader.page.locator(`.tile[data-participant="${ids.member}"]`);
  await row.getByText("[not captioned]").waitFor();
  await member.shoot("114-captions-refused");
  await turn(member, "Microphone", false);
  await panel.getByLabel("Do not caption me").click();
  await row.getByText("[not captioned]").waitFor({ state: "detached" });
  await speakAgain(member);
  await turn(member, "Microphone", false);
  await closePanel(member);
});

step("who waits outside gets none of it, and who was removed no more", async () => {
  assert.deepEqual(await waiting.page.evaluate(() => window.wire.frames.filter((frame) => /cue|caption|transcript/u.test(frame))), []);
  await speakAgain(host);
  await host.page.evaluate((participant) => window.wire.request({ type: "remove", participant }), ids.reader);
  await reader.page.waitForTimeout(200);
  const before = (await cues(reader)).length;
  await reader.page.waitForTimeout(SILENCE_MS);
  assert.equal((await cues(reader)).length, before);
  assert.deepEqual(await reader.page.locator(".captions, .captions-log").count(), 0);
  await turn(host, "Microphone", false);
  assert.deepEqual(await waiting.page.evaluate(() => window.wire.frames.filter((frame) => /cue|caption|transcript/u.test(frame))), []);
});

step("what was kept can be had as files, which Chromium reads, and is deleted", async () => {
  const panel = await captionsPanel(host, "The room");
  const kept = panel.locator("[data-transcript]").first();
  await kept.waitFor();
  await accessible(host, "captions_room");
  await host.shoot("115-captions-room");
  await fits(host, "captions_room");
  // The page itself may load nothing that is made in it.
  const shelf = await host.context.newPage();
  const original = await file(host, kept, "WebVTT");
  assert.deepEqual(checked(original).faults, []);
  const shown = await readCues(shelf, original);
  assert.deepEqual([...new Set(shown.map((cue) => cue.voice))].sort(), [MEMBER, OWNER].sort());
  for (const cue of shown) assert.deepEqual(cue.tags, ["SPAN"]);
  for (const sentence of speeches[0]?.sentences.slice(0, 2) ?? []) assert.ok(wordsOf(shown.map((cue) => cue.text).join(" ")).join(" ").includes(wordsOf(sentence).slice(0, 3).join(" ")), sentence);
  assert.match(await file(host, kept, "SubRip"), /^1\n\d\d:\d\d:\d\d,\d\d\d --> /u);
  assert.ok((await file(host, kept, "Text")).includes(OWNER));
  assert.ok(JSON.parse(await file(host, kept, "JSON")) !== null);
  await kept.getByRole("combobox").selectOption({ label: "Spanish (rough machine translation)" });
  const translated = await file(host, kept, "WebVTT");
  assert.deepEqual(checked(translated).faults, []);
  assert.ok((await readCues(shelf, translated)).length > 0);
  await shelf.close();
  await kept.getByRole("button", { name: /^Delete the transcript/u }).click();
  await button(host.page.getByRole("dialog"), "Delete the transcript").click();
  await until("the transcript", async () => (await panel.locator("[data-transcript] .badge").allInnerTexts()).join(), (badges) => badges === "" || badges.startsWith("0 captions"));
  await openRoomPanel(host, "Audit");
  await host.shoot("116-captions-audit");
  assert.deepEqual([...host.complaints, ...member.complaints, ...reader.complaints, ...waiting.complaints], []);
});

/** Runs inside the page: the microphone is taken as it is. */
function openEars(): void {
  const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = (wanted) => {
    if (wanted?.audio === undefined) return real(wanted);
    return real({ ...wanted, audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false } });
  };
}

/** Who this is in the room, as the server said when it let them in. */
function own(seat: Seat): Promise<string> {
  return seat.page.evaluate(() => {
    const admitted = window.wire.frames.map((frame) => JSON.parse(frame) as { type: string; room?: { you: string } }).findLast((message) => message.type === "admitted");
    return admitted?.room?.you ?? "";
  });
}

async function captionsPanel(seat: Seat, tab: "Live" | "How you read" | "The room" = "Live"): Promise<Locator> {
  const panel = seat.page.getByRole("complementary", { name: "Captions" });
  if (!(await panel.isVisible())) await tool(seat, "Captions").click();
  await panel.waitFor();
  await panel.getByRole("tab", { name: tab }).click();
  return panel;
}

/** The captions that came over the wire, with the time when each did. */
function cues(seat: Seat): Promise<{ at: number; cue: Cue }[]> {
  return seat.page.evaluate(() =>
    window.wire.frames.flatMap((frame, index) => {
      const message = JSON.parse(frame) as { type: string; cue?: Cue };
      return message.type === "cue" && message.cue !== undefined ? [{ at: window.wire.times[index] ?? 0, cue: message.cue }] : [];
    }),
  );
}

/** What the panel shows, line by line, under the name that stands above it. */
function heard(seat: Seat): Promise<Line[]> {
  return seat.page.evaluate(() => {
    let name = "";
    return [...document.querySelectorAll(".captions-log .said")].map((line) => {
      name = line.querySelector(".said-head bdi")?.textContent ?? name;
      const main = line.querySelector(".said-words:not(.said-beside)")?.textContent ?? "";
      return { name, translation: main, original: line.querySelector(".said-beside")?.textContent ?? "" };
    });
  });
}

/** The words of somebody that reached the reader, all revisions counted. */
async function grownAt(speaker: string): Promise<number[]> {
  const longest = new Map<string, number>();
  const times: number[] = [];
  for (const { at, cue } of await cues(reader)) {
    if (cue.speaker !== speaker || !cue.original) continue;
    const length = cue.committed.length + cue.tentative.length;
    if (length > (longest.get(`${cue.cue}`) ?? 0)) times.push(at);
    longest.set(`${cue.cue}`, Math.max(length, longest.get(`${cue.cue}`) ?? 0));
  }
  return times;
}

/** Somebody turns on the microphone, says it all once more, and the first words of it have come. */
async function speakAgain(seat: Seat): Promise<void> {
  const speaker = seat === host ? ids.host : ids.member;
  if ((await tool(seat, "Microphone").getAttribute("aria-pressed")) === "true") await turn(seat, "Microphone", false);
  // What was said before has all come.
  await reader.page.waitForTimeout(3_000);
  const before = (await grownAt(speaker)).length;
  await turn(seat, "Microphone", true);
  await until("the first words", () => grownAt(speaker), (times) => times.length > before, LATE_MS);
}

/** From some milliseconds after `since` on no further word of the member reaches the reader, though the file goes on. */
async function nothingMore(since: number, name: string, within = 100): Promise<void> {
  await reader.page.waitForTimeout(SILENCE_MS);
  const last = (await grownAt(ids.member)).at(-1) ?? 0;
  figure(name, Math.max(0, last - since), "ms");
  assert.ok(last - since <= within, `a word came ${last - since} ms after it`);
}

async function file(seat: Seat, kept: Locator, name: string): Promise<string> {
  const [download] = await Promise.all([seat.page.waitForEvent("download"), kept.getByRole("button", { name: new RegExp(`^${name} of`, "u") }).click()]);
  return readFile(await download.path(), "utf8");
}
