// The subtitle files that the captions become, as Chromium itself reads them: each cue at its time, under its name, with its words and
// nothing else, whatever somebody is called or says.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { Seat } from "../browser.js";
import { readCues } from "../subtitles.js";

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

test("a reader that is given a broken file says so", async () => {
  const file = await readFile(`${FILES}/hostile.vtt`, "utf8");
  await assert.rejects(readCues(seat.page, file.replace("WEBVTT", "WEBVT")));
  assert.notDeepEqual(await readCues(seat.page, file.replaceAll("&lt;", "<")), await readCues(seat.page, file));
});
