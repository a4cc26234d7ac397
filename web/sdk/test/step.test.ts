// Which picture is held for how long, so that it is in step with its sound.

import { expect, test } from "vitest";
import type { SlotView } from "../src/generated/SlotView";
import type { Snapshot } from "../src/media/quality";
import { Step } from "../src/media/step";

const MICROPHONE: SlotView = { mid: "4", participant: "member", source: "microphone" };
const CAMERA: SlotView = { mid: "12", participant: "member", source: "camera" };

/** A sound slot that is looked at once a second. */
class Sound {
  #packets = 0;
  #delay = 0;
  #count = 0;
  ssrc = 1;

  /** A second in which what came out had waited so many milliseconds. */
  second(wait: number, packets = 50): Snapshot {
    this.#packets += packets;
    this.#count += packets * 960;
    this.#delay += (packets * 960 * wait) / 1_000;
    const line = { id: "a", type: "inbound-rtp", mid: "4", ssrc: this.ssrc, packetsReceived: this.#packets, jitterBufferDelay: this.#delay, jitterBufferEmittedCount: this.#count };
    return { lines: new Map([["a", line]]), sources: new Map(), tracks: new Map() };
  }
}

/** The hold of the camera after each second. */
function held(waits: readonly number[], slots: readonly SlotView[] = [MICROPHONE, CAMERA]): (number | undefined)[] {
  const [step, sound] = [new Step(), new Sound()];
  step.next(sound.second(0), slots);
  return waits.map((wait) => step.next(sound.second(wait), slots).get("12"));
}

test("a picture waits as long as the sound of the same person did lately, from the first look on", () => {
  expect(held([143])).toEqual([170]);
  expect(held([143, 143, 143])).toEqual([170, 170, 170]);
});

test("it never waits for somebody else's sound, for the other source's, or for sound that does not come", () => {
  expect(held([143], [{ ...MICROPHONE, participant: "other" }, CAMERA])).toEqual([undefined]);
  expect(held([143], [MICROPHONE, { ...CAMERA, source: "screen" }])).toEqual([undefined]);
  const [step, sound] = [new Step(), new Sound()];
  expect(step.next(sound.second(143), [MICROPHONE, CAMERA]).size).toBe(0);
  // Of one who is silent next to nothing comes.
  expect(step.next(sound.second(143, 0), [MICROPHONE, CAMERA]).size).toBe(0);
  expect(step.next(sound.second(390, 3), [MICROPHONE, CAMERA]).size).toBe(0);
  // What was counted of another stream says nothing of this one.
  sound.ssrc = 2;
  expect(step.next(sound.second(143), [MICROPHONE, CAMERA]).size).toBe(0);
});

test("and never longer than anyone would bear", () => {
  expect(held([5_000])).toEqual([400]);
  expect(held([40, ...Array<number>(9).fill(5_000)]).every((hold) => (hold ?? 0) <= 400)).toBe(true);
});

test("one look that has nothing to do with the others changes nothing", () => {
  expect(held([60, 60, 900, 60, 60])).toEqual([90, 90, 90, 90, 90]);
  expect(held([160, 160, 0, 160, 160])).toEqual([190, 190, 190, 190, 190]);
  expect(held([60, 900, 60, 900, 60, 60])).toEqual([90, 90, 90, 170, 90, 90]);
});

test("a lasting change is followed, and not in one leap", () => {
  expect(held([60, 60, 60, 310, 310, 310, 310, 310])).toEqual([90, 90, 90, 90, 170, 250, 330, 330]);
  expect(held([310, 310, 60, 60, 60, 60, 60])).toEqual([340, 340, 340, 260, 180, 100, 100]);
});

test("what trembles is left as it is", () => {
  expect(new Set(held([60, 64, 56, 68, 61, 66, 55, 69, 58]))).toEqual(new Set([90]));
});

test("who is silent keeps what was found last; another person in the same slot does not get it", () => {
  const [step, sound] = [new Step(), new Sound()];
  step.next(sound.second(0), [MICROPHONE, CAMERA]);
  expect(step.next(sound.second(143), [MICROPHONE, CAMERA]).get("12")).toBe(170);
  expect(step.next(sound.second(300, 2), [MICROPHONE, CAMERA]).get("12")).toBe(170);
  expect(step.next(sound.second(0, 0), [CAMERA]).get("12")).toBe(170);
  expect(step.next(sound.second(0, 0), [{ ...CAMERA, participant: "other" }]).size).toBe(0);
  expect(step.next(sound.second(0, 0), [CAMERA]).size).toBe(0);
});
