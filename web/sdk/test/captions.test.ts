// The store of captions, the choice and the refusal.

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { clearsAt, CLEARED_MS, current, LINES_KEPT, NO_CAPTIONS, readOf, textOf, withCue, type Captions } from "../src/captions";
import { Conclave } from "../src/conclave";
import type { CueView } from "../src/generated/CueView";
import { participant, ROOM, roomView, World, YOU } from "./fakes";

function cue(number: number, revision: number, committed: string, more: Partial<CueView> = {}): CueView {
  return { cue: number, revision, speaker: "ada", name: "A name from the cue", language: "en", original: true, t0: 1_000, t1: 2_000, committed, tentative: "", final: false, ...more };
}

function told(cues: readonly CueView[], now = 0): Captions {
  return cues.reduce((captions, one) => withCue(captions, one, "Ada", now), NO_CAPTIONS);
}

test("words are added, and the tail may change", () => {
  const captions = told([cue(1, 1, "the", { tentative: " meaning" }), cue(1, 2, "the meeting", { tentative: " will" }), cue(1, 3, "the meeting will start", { final: true })]);
  expect(captions.lines).toHaveLength(1);
  expect(captions.lines[0]?.original).toMatchObject({ committed: "the meeting will start", tentative: "", final: true, revision: 3 });
});

test("a revision that takes back what was committed is left out and counted", () => {
  const captions = told([cue(1, 1, "the meeting"), cue(1, 2, "a meeting will start")]);
  expect(captions.lines[0]?.original?.committed).toBe("the meeting");
  expect(captions.refused).toBe(1);
});

test("what comes late, twice or after the end changes nothing", () => {
  const first = told([cue(1, 5, "one two", { final: true })]);
  for (const late of [cue(1, 4, "one"), cue(1, 5, "one two"), cue(1, 6, "one two three")]) expect(withCue(first, late, "Ada", 9)).toBe(first);
});

test("a translation may change until it is final, and stands with its original", () => {
  const translated = (revision: number, committed: string, more: Partial<CueView> = {}) => cue(1, revision, committed, { original: false, language: "es", engine: "Apertium", ...more });
  const captions = told([cue(1, 1, "the meeting"), translated(1, "la reunión"), cue(1, 2, "the meeting starts", { final: true }), translated(2, "el encuentro empieza", { final: true }), translated(3, "no", {})]);
  expect(captions.lines).toHaveLength(1);
  expect(captions.refused).toBe(0);
  const line = captions.lines[0]!;
  expect(line.translation).toMatchObject({ language: "es", engine: "Apertium", committed: "el encuentro empieza", final: true });
  const read = (choice: { language: string; original: boolean }) => Object.values(readOf(line, choice)).map((said) => (said === null ? null : textOf(said)));
  expect(read({ language: "es", original: false })).toEqual(["el encuentro empieza", null]);
  expect(read({ language: "es", original: true })).toEqual(["el encuentro empieza", "the meeting starts"]);
  expect(read({ language: "original", original: true })).toEqual(["the meeting starts", null]);
});

test("of what was translated by half the original is read, and the half is gone", () => {
  const translated = (revision: number, committed: string, more: Partial<CueView> = {}) => cue(1, revision, committed, { original: false, language: "es", engine: "Apertium", ...more });
  const half = told([cue(1, 1, "one. two"), translated(1, "uno."), translated(2, "", { final: true }), cue(1, 2, "one. two.", { final: true })]).lines[0]!;
  for (const original of [false, true]) expect(readOf(half, { language: "es", original })).toMatchObject({ main: { committed: "one. two." }, beside: null });
});

test("a caption with times that are none is left out and counted", () => {
  for (const at of [1e300, Number.NaN, Number.POSITIVE_INFINITY, 8.65e15, -8.65e15, 0.5]) {
    expect(told([cue(1, 1, "one", { t0: at })])).toMatchObject({ lines: [], refused: 1 });
    expect(told([cue(1, 1, "one", { t1: at })])).toMatchObject({ lines: [], refused: 1 });
  }
  const line = told([cue(1, 1, "one", { t0: 8.64e15, t1: 8.64e15 })]).lines[0]!;
  expect(new Date(line.from).toISOString()).toContain("275760");
});

test("a caption that ends without a word leaves no name over the picture", () => {
  const captions = told([cue(1, 1, "", { tentative: "hm" }), cue(1, 2, "", { final: true })], 100);
  expect(current(captions, 101, 2)).toEqual([]);
  expect(current(told([cue(1, 1, "", { tentative: "hm" })], 100), 101, 2)).toHaveLength(1);
});

test("another language of the same cue takes the place of the one before", () => {
  const captions = told([cue(1, 4, "la reunión", { original: false, language: "es", engine: "Apertium", final: true }), cue(1, 1, "la reunió", { original: false, language: "ca", engine: "Apertium" })]);
  expect(captions.lines[0]?.translation).toMatchObject({ language: "ca", committed: "la reunió" });
});

test("where no translation came the original is read, beside where it will stand when one comes", () => {
  const line = told([cue(1, 1, "the meeting")]).lines[0]!;
  expect(readOf(line, { language: "es", original: false })).toMatchObject({ main: { committed: "the meeting" }, beside: null });
  expect(readOf(line, { language: "es", original: true })).toMatchObject({ main: null, beside: { committed: "the meeting" } });
  expect(readOf(line, { language: "en", original: true })).toMatchObject({ main: { committed: "the meeting" }, beside: null });
  expect(readOf(line, { language: null, original: true })).toMatchObject({ main: { committed: "the meeting" }, beside: null });
});

test("the name is the roster's, kept when the person has left, and never the cue's", () => {
  let captions = withCue(NO_CAPTIONS, cue(1, 1, "one"), "Ada", 0);
  captions = withCue(captions, cue(2, 1, "two"), undefined, 0);
  captions = withCue(captions, cue(3, 1, "three", { speaker: "grace" }), undefined, 0);
  expect(captions.lines.map((line) => line.name)).toEqual(["Ada", "Ada", ""]);
  expect(captions.speakers).toEqual(["ada", "grace"]);
});

test("nobody speaks under another's cue", () => {
  const captions = told([cue(1, 1, "one"), cue(1, 2, "one two", { speaker: "grace" })]);
  expect(captions.lines[0]).toMatchObject({ speaker: "ada", original: { committed: "one" } });
  expect(captions.refused).toBe(1);
});

test("marks that turn directions and control characters are gone, and what grew still has", () => {
  const captions = told([cue(1, 1, "a\u202eb\u0007\n"), cue(1, 2, "a\u202eb\u0007\nc \u2066d --> <b>", { final: true })]);
  expect(captions.lines[0]?.original?.committed).toBe("ab c d --> <b>");
  expect(captions.refused).toBe(0);
  expect(withCue(NO_CAPTIONS, cue(1, 1, "x"), "A\u202eda\u0000", 0).lines[0]?.name).toBe("Ada");
});

test("only so many lines are kept, the latest", () => {
  let captions = NO_CAPTIONS;
  for (let number = 1; number <= LINES_KEPT + 5; number += 1) captions = withCue(captions, cue(number, 1, "x"), "Ada", 0);
  expect([captions.lines.length, captions.lines[0]?.cue]).toEqual([LINES_KEPT, 6]);
});

test("captions are cleared four seconds after the last word of each speaker", () => {
  let captions = withCue(NO_CAPTIONS, cue(1, 1, "one"), "Ada", 0);
  captions = withCue(captions, cue(2, 1, "uno", { speaker: "grace" }), "Grace", 1_000);
  captions = withCue(captions, cue(1, 2, "one two"), "Ada", 3_000);
  const shown = (now: number) => current(captions, now, 9).map((block) => block.map((line) => line.cue));
  expect(shown(4_999)).toEqual([[1], [2]]);
  expect(clearsAt(captions, 4_999)).toBe(1_000 + CLEARED_MS);
  expect(shown(5_000)).toEqual([[1]]);
  expect(shown(7_000)).toEqual([]);
  expect(clearsAt(captions, 7_000)).toBeNull();
});

test("a final revision that only ends a cue does not keep it", () => {
  let captions = withCue(NO_CAPTIONS, cue(1, 1, "one", { tentative: " to" }), "Ada", 0);
  captions = withCue(captions, cue(1, 2, "one", { final: true }), "Ada", 3_900);
  expect(current(captions, CLEARED_MS, 9)).toEqual([]);
});

test("who goes on speaking keeps what went before; after a pause it does not come back", () => {
  let captions = withCue(NO_CAPTIONS, cue(1, 1, "one", { final: true }), "Ada", 0);
  captions = withCue(captions, cue(2, 1, "two", { final: true }), "Ada", 3_000);
  expect(current(captions, 3_000, 9)[0]?.map((line) => line.cue)).toEqual([1, 2]);
  captions = withCue(captions, cue(3, 1, "three"), "Ada", 7_500);
  expect(current(captions, 7_500, 9)[0]?.map((line) => line.cue)).toEqual([3]);
});

test("of many who speak at once the latest are shown, in the order in which they began", () => {
  let captions = NO_CAPTIONS;
  for (const [at, speaker] of ["a", "b", "c"].entries()) captions = withCue(captions, cue(at, 1, "x", { speaker }), speaker, at * 100);
  captions = withCue(captions, cue(0, 2, "x y", { speaker: "a" }), "a", 400);
  expect(current(captions, 500, 2).map((block) => block[0]?.speaker)).toEqual(["a", "c"]);
});

describe("in a meeting", () => {
  let world: World;
  let client: Conclave;

  beforeEach(async () => {
    vi.useFakeTimers();
    world = new World();
    client = Conclave.join({ url: "wss://here/ws", room: ROOM }, world.environment);
    world.socket.open();
  });

  afterEach(() => void vi.useRealTimers());

  async function enter(): Promise<void> {
    world.socket.say({ type: "admitted", room: roomView(participant(YOU), { participants: [participant(YOU), participant("ada")] }), resume: "s", seq: 0 });
    await vi.advanceTimersByTimeAsync(0);
  }

  test("who waits takes no captions, whatever comes", async () => {
    world.socket.say({ type: "waiting" });
    world.socket.say({ type: "cue", cue: cue(1, 1, "secret") });
    expect(client.captions).toBe(NO_CAPTIONS);
    await enter();
    expect(client.captions.lines).toEqual([]);
  });

  test("captions come under the name of the roster, and go with the room", async () => {
    await enter();
    const heard: number[] = [];
    client.on("captions", (captions) => heard.push(captions.lines.length));
    world.socket.say({ type: "cue", cue: cue(1, 1, "hello") });
    world.socket.event(1, { type: "participant_changed", participant: participant("ada", {}, { name: "Ada Two" }) });
    world.socket.say({ type: "cue", cue: cue(2, 1, "again") });
    expect(client.captions.lines.map((line) => line.name)).toEqual(["Name of ada", "Ada Two"]);
    world.socket.say({ type: "waiting" });
    expect(client.captions).toBe(NO_CAPTIONS);
    expect(heard).toEqual([1, 2, 0]);
  });

  test("the choice holds when the server has taken it, and a refusal is the participant's own", async () => {
    await enter();
    const choosing = client.readCaptions({ language: "es", original: true });
    expect(world.socket.last("captions").request).toEqual({ type: "captions", language: "es", original: true });
    expect(client.state).toMatchObject({ room: { caption_choice: { language: null } } });
    world.socket.answer("captions", "done");
    await choosing;
    expect(client.state).toMatchObject({ room: { caption_choice: { language: "es", original: true } } });
    const refusing = client.captionMe(false);
    expect(world.socket.last("caption_me").request).toEqual({ type: "caption_me", allowed: false });
    world.socket.answer("caption_me", "done");
    await refusing;
  });

  test("how captions stand is what the server said last", async () => {
    await enter();
    for (const state of ["on", "delayed", "limited", "unavailable", "off"] as const) {
      world.socket.event(["on", "delayed", "limited", "unavailable", "off"].indexOf(state) + 1, { type: "captions", state, running: state === "on", languages: ["es"], engine: "Apertium", outside: false, transcript: false });
      expect(client.state).toMatchObject({ room: { captions: { state, running: state === "on" } } });
    }
  });
});
