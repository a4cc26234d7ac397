// What is told of the pictures on the page: once it has settled, screens first, nothing while hidden.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Looks, type View } from "../src/media/looks";
import { VIDEO_SLOTS } from "../src/media/transport";

let told: View[];
let looks: Looks;

beforeEach(() => {
  vi.useFakeTimers();
  told = [];
  looks = new Looks((view) => told.push(view));
});

afterEach(() => {
  vi.useRealTimers();
});

test("many changes make one message, in whole pixels", () => {
  looks.set("member", "camera", { width: 100.4, height: 50 });
  looks.set("member", "camera", { width: 320.6, height: 180 });
  vi.advanceTimersByTime(200);
  expect(told).toEqual([{ looks: [{ participant: "member", source: "camera", width: 321, height: 180 }] }]);
});

test("what did not change is not said again", () => {
  looks.set("member", "camera", { width: 10, height: 10 });
  vi.advanceTimersByTime(200);
  looks.set("member", "camera", null);
  looks.set("member", "camera", { width: 10, height: 10 });
  vi.advanceTimersByTime(200);
  expect(told.length).toBe(1);
  looks.repeat();
  vi.advanceTimersByTime(200);
  expect(told.length).toBe(2);
});

test("screens come first, then the larger pictures, and no more than there are slots", () => {
  for (let n = 1; n <= 20; n += 1) looks.set(`p${n}`, "camera", { width: n * 10, height: 10 });
  looks.set("p1", "screen", { width: 5, height: 5 });
  const list = looks.current().looks;
  expect(list.length).toBe(VIDEO_SLOTS);
  expect(list.slice(0, 3).map((look) => [look.participant, look.source])).toEqual([
    ["p1", "screen"],
    ["p20", "camera"],
    ["p19", "camera"],
  ]);
});

test("a hidden page looks at nothing, and an element without size is not shown", () => {
  looks.set("member", "camera", { width: 10, height: 10 });
  looks.set("other", "camera", { width: 0, height: 10 });
  expect(looks.current().looks.length).toBe(1);
  looks.setHidden(true);
  vi.advanceTimersByTime(200);
  expect(told).toEqual([{ looks: [] }]);
  looks.setHidden(false);
  vi.advanceTimersByTime(200);
  expect(told[1]?.looks.length).toBe(1);
});

test("the most that the person wants to receive is said with the pictures, and taken back", () => {
  looks.setMost(360);
  looks.set("member", "camera", { width: 10, height: 10 });
  vi.advanceTimersByTime(200);
  expect(told.at(-1)).toMatchObject({ receive: { max_height: 360 } });
  looks.setMost(null);
  vi.advanceTimersByTime(200);
  expect(told.at(-1)).not.toHaveProperty("receive");
});
