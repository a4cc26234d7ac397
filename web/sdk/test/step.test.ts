// Which picture is held for how long, so that it is in step with its sound.

import { expect, test } from "vitest";
import type { Snapshot } from "../src/media/quality";
import { holds } from "../src/media/step";

const look = (delay: number, count: number, ssrc = 1): Snapshot => ({
  lines: new Map([["a", { id: "a", type: "inbound-rtp", mid: "4", ssrc, jitterBufferDelay: delay, jitterBufferEmittedCount: count }]]),
  sources: new Map(),
  tracks: new Map(),
});

const MICROPHONE = { mid: "4", participant: "member", source: "microphone" as const };
const CAMERA = { mid: "12", participant: "member", source: "camera" as const };

test("a picture waits as long as the sound of the same person did lately", () => {
  expect([...holds(look(100, 1_000), look(243, 2_000), [MICROPHONE, CAMERA])]).toEqual([["12", 160]]);
});

test("it never waits for somebody else's sound, for the other source's, or for sound that does not come", () => {
  const before = look(100, 1_000);
  const now = look(243, 2_000);
  expect(holds(before, now, [{ ...MICROPHONE, participant: "other" }, CAMERA]).size).toBe(0);
  expect(holds(before, now, [MICROPHONE, { ...CAMERA, source: "screen" }]).size).toBe(0);
  expect(holds(now, now, [MICROPHONE, CAMERA]).size).toBe(0);
  expect(holds(before, look(243, 2_000, 2), [MICROPHONE, CAMERA]).size).toBe(0);
  expect(holds(null, now, [MICROPHONE, CAMERA]).size).toBe(0);
});

test("and never longer than anyone would bear", () => {
  expect(holds(look(0, 0), look(5_000, 1_000), [MICROPHONE, CAMERA]).get("12")).toBe(400);
});
