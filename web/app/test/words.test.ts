// The words and the arithmetic of the page: nothing here needs a browser.

import { expect, test } from "vitest";
import { capacityOf, gridOf } from "../src/meeting/layout";
import { mayActOn } from "../src/meeting/rank";
import { mediaSaid, saidOf, settingSaid } from "../src/words/notices";
import { initials, since, standing } from "../src/words/people";
import { grouped, GROUPS, isRelaxed, valueWords } from "../src/words/settings";
import type { Role } from "@conclave/sdk";
import { person, settingOf } from "./people";

const setting = settingOf;

test("what is wrong with sound and pictures is said as it is, with a way on where there is one", () => {
  expect([mediaSaid("connecting"), mediaSaid("connected")]).toEqual([null, null]);
  expect(mediaSaid("failed")).toEqual({ text: "Sound and pictures do not get through. They are being set up again." });
  for (const status of ["refused", "impossible"] as const) {
    expect(mediaSaid(status)?.text).not.toContain("set up again");
    expect(mediaSaid(status)?.again).toBeDefined();
  }
});

test("what a host did is said with who did it and what can be done", () => {
  expect(saidOf({ act: "muted" }, "The Host")).toEqual({ text: "The Host muted you. You can ask to speak.", askFor: "microphone" });
  expect(saidOf({ act: "allowed", source: "screen" }, "The Host").askFor).toBeUndefined();
  expect(saidOf({ act: "role_changed", role: "attendee" }, "The Host").text).toMatch(/^The Host made you an attendee\./);
  expect(saidOf({ act: "role_changed", role: "host" }, "The Host").text).toMatch(/^The Host made you a host\./);
});

test("a changed setting is told in words, not in keys", () => {
  expect(settingSaid(setting("sign_in", "guests_may_knock"), "The Host")).toBe("The Host changed “Sign-in” to: Guests may knock.");
});

test("every setting of the server has a place, and an unknown one is still shown", () => {
  const list = [...GROUPS.flatMap((group) => group.keys), "brand_new"].map((key) => setting(key));
  const shown = grouped(list).flatMap((group) => group.settings);
  expect(shown.length).toBe(list.length);
  expect(grouped(list).at(-1)).toMatchObject({ title: "Other", settings: [{ key: "brand_new" }] });
  expect(valueWords("brand_new", "some_value")).toBe("Some value");
});

test("only the first value is the strictest", () => {
  expect([isRelaxed(setting("x", "a")), isRelaxed(setting("x", "b"))]).toEqual([false, true]);
});

test("a name that nobody vouches for is called so", () => {
  expect([standing(true), standing(false)]).toEqual(["signed in", "guest, unverified"]);
});

test("initials come from any script and from odd names", () => {
  expect([initials("Any Name"), initials("jun"), initials("  "), initials("Ōta von Élan")]).toEqual(["AN", "J", "?", "ŌÉ"]);
});

test("waiting times are short words", () => {
  expect([since(0, 20_000), since(0, 61_000), since(0, 3_600_000), since(0, 3_900_000), since(5, 0)]).toEqual(["just now", "1 min", "1 h", "1 h 5 min", "just now"]);
});

test("tiles fill a wide space with wide ones and a tall space with square ones", () => {
  expect(gridOf(4, 1600, 900, 0)).toMatchObject({ columns: 2, rows: 2, width: 800, height: 450 });
  expect(gridOf(6, 400, 600, 0)).toMatchObject({ columns: 2, rows: 3, width: 200, height: 200 });
  expect(gridOf(1, 0, 0, 10)).toMatchObject({ width: 0, height: 0 });
});

test("no more tiles are shown than are large enough", () => {
  expect(capacityOf(400, 600, 0, 150, 16)).toBeLessThan(16);
  expect(capacityOf(400, 600, 0, 150, 16)).toBeGreaterThanOrEqual(6);
  expect(capacityOf(1, 1, 0, 150, 16)).toBe(1);
});

test("hosts are offered acts on those below them only", () => {
  const may = (actor: Role, target: Role) => mayActOn(person(actor), person(target));
  expect([may("owner", "host"), may("host", "attendee"), may("host", "host"), may("host", "owner"), may("presenter", "guest"), may("host", "guest")]).toEqual([
    true,
    true,
    false,
    false,
    true,
    true,
  ]);
});
