// The subtitle files that the captions become, as Chromium itself reads them: each cue at its time, under its name, with its words and
// nothing else, whatever somebody is called or says.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { Seat } from "../browser.js";
import { checked, readCues } from "../subtitles.js";

const FILES = "../../captions/testdata/shown";

let seat: Seat;

before(async () => {
  seat = await Seat.take();
});

after(() => seat?.leave());

test("Chromium shows the cues of a file as they were written, and runs nothing of them", async () => {
  const file = await readFile(`${FILES}/hostile.vtt`, "utf8");
  const lines = (await readFile(`${FILES}/hostile.tsv`, "utf8")).trimEnd().split("\n");
  const expected = lines.map((line) => {
    const [id = "", from = "", to = "", voice = "", ...shown] = line.split("\t");
    return { id, from: Number(from) / 1_000, to: Number(to) / 1_000, voice, text: shown.join("\n"), tags: voice === "" ? [] : ["SPAN"] };
  });
  assert.ok(expected.length > 10);
  assert.deepEqual(await readCues(seat.page, file), expected);
  assert.deepEqual(seat.complaints, []);
});

test("the W3C's reader finds no fault with a file, and no tag in it but the voice", async () => {
  const lines = (await readFile(`${FILES}/hostile.tsv`, "utf8")).trimEnd().split("\n");
  const expected = lines.map((line) => {
    const [id = "", from = "", to = "", voice = ""] = line.split("\t");
    return { id, from: Number(from) / 1_000, to: Number(to) / 1_000, tags: voice === "" ? [] : ["v"] };
  });
  const file = await readFile(`${FILES}/hostile.vtt`, "utf8");
  assert.deepEqual(checked(file), { faults: [], cues: expected });
  assert.notDeepEqual(checked(file.replaceAll("&lt;", "<").replaceAll("&gt;", ">")).faults, []);
});

test("both readers take a segment of a stream, with the one line more that RFC 8216 asks for", async () => {
  const file = await readFile(`${FILES}/hostile-segment.vtt`, "utf8");
  const { faults, cues } = checked(file);
  // The line is no WebVTT: players know it, and readers are to pass over it.
  assert.deepEqual(faults, ["2: No blank line after the signature."]);
  assert.match(file.split("\n")[1] ?? "", /^X-TIMESTAMP-MAP=LOCAL:00:00:00\.000,MPEGTS:\d+$/u);
  const shown = await readCues(seat.page, file);
  assert.ok(shown.length > 2);
  assert.deepEqual(shown.map((cue) => [cue.id, cue.from, cue.to]), cues.map((cue) => [cue.id, cue.from, cue.to]));
});

test("a reader that is given a broken file says so", async () => {
  const file = await readFile(`${FILES}/hostile.vtt`, "utf8");
  await assert.rejects(readCues(seat.page, file.replace("WEBVTT", "WEBVT")));
  assert.notDeepEqual(await readCues(seat.page, file.replaceAll("&lt;", "<")), await readCues(seat.page, file));
});
