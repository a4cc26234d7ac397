// Captions on the page: what is kept on the device, what is said about them, the colours of names, and that the kept choice is made
// known once.

import { NO_CAPTIONS, type CaptionsView, type Conclave, type CueView, type State } from "@conclave/sdk";
import { withCue } from "@conclave/sdk";
import { readFileSync } from "node:fs";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { COLOURS, Captions } from "../src/captions/model";
import { ground, keepChoice, keptChoice, lines } from "../src/captions/look";
import { intoOf, languageChoices, wordsOf, wordsTrouble } from "../src/captions/wish";
import { routeOf } from "../src/route";
import { captionsSaid, languageOptions, roughWords, runningSign, standingWords, switchSaid } from "../src/words/captions";
import { roomOf, person, settingOf } from "./people";

const held = vi.hoisted(() => {
  const entries = new Map<string, string>();
  const storage = {
    getItem: (key: string) => entries.get(key) ?? null,
    setItem: (key: string, value: string) => void entries.set(key, value),
    removeItem: (key: string) => void entries.delete(key),
  };
  vi.stubGlobal("localStorage", storage);
  return entries;
});

const VIEW: CaptionsView = { state: "on", running: true, languages: ["es", "ca"], engine: "Apertium", outside: false, transcript: false };

beforeEach(() => {
  held.clear();
  vi.useFakeTimers({ now: 1_000_000 });
});

afterEach(() => void vi.useRealTimers());

/** A client that takes choices down. */
function clientOf(refuses = false): { client: Conclave; asked: object[] } {
  const asked: object[] = [];
  const readCaptions = (choice: object) => {
    asked.push(choice);
    return refuses ? Promise.reject(new Error("no")) : Promise.resolve();
  };
  return { client: { captions: NO_CAPTIONS, readCaptions } as unknown as Conclave, asked };
}

function admitted(language: string | null = null, link: "up" | "lost" = "up"): State {
  const room = roomOf("attendee", [person("attendee")], { captions: VIEW, caption_choice: { language, original: false } });
  return { phase: "admitted", room, speaking: [], link, media: "up", local: {} } as unknown as State;
}

function cue(number: number, committed: string, more: Partial<CueView> = {}): CueView {
  return { cue: number, revision: 1, speaker: "ada", name: "", language: "en", original: true, t0: 0, t1: 0, committed, tentative: "", final: false, ...more };
}

test("where the words go is said, and that somebody is not captioned", () => {
  expect(captionsSaid(VIEW)).not.toContain("not the operator");
  expect(captionsSaid({ ...VIEW, outside: true })).toContain("sent to a service that is not the operator’s own");
  const limited: CaptionsView = { ...VIEW, state: "limited" };
  expect(runningSign({ ...limited, running: false })?.words).toBe("Captions are on");
  expect(standingWords(limited)).toMatchObject({ title: "Not everyone is captioned", steps: [] });
  expect(standingWords({ ...limited, trouble: "full" })?.steps[0]?.code).toContain("workers");
  expect(standingWords({ ...limited, trouble: "left_out" })?.text).toContain("half an hour");
});

test("what is kept on the device is taken only if it can be", () => {
  held.set("conclave.captions.language", "<script>");
  expect(keptChoice()).toEqual({ language: null, original: false });
  keepChoice({ language: "es", original: true });
  expect(keptChoice()).toEqual({ language: "es", original: true });
  keepChoice({ language: null, original: true });
  expect(keptChoice()).toEqual({ language: null, original: true });
  lines.set("9");
  expect(lines.value.value).toBe("2");
  lines.set("4");
  expect([lines.value.value, held.get("conclave.captions.lines")]).toEqual(["4", "4"]);
  ground.set("white");
  expect(held.get("conclave.captions.ground")).toBe("white");
});

test("whoever read captions the last time reads them again, asked for once in each stay", () => {
  keepChoice({ language: "es", original: true });
  const { client, asked } = clientOf(true);
  const captions = new Captions(client);
  captions.follow(admitted(null, "lost"));
  expect(asked).toEqual([]);
  captions.follow(admitted());
  captions.follow(admitted());
  expect(asked).toEqual([{ language: "es", original: true }]);
  captions.follow({ phase: "waiting", since: 0, sentBack: true, restarted: false, messages: [] });
  captions.follow(admitted());
  expect(asked).toHaveLength(2);
});

test("who never chose asks for nothing, and what the room holds already is not asked for again", () => {
  const { client, asked } = clientOf();
  new Captions(client).follow(admitted());
  keepChoice({ language: "es", original: false });
  new Captions(client).follow(admitted("ca"));
  expect(asked).toEqual([]);
  expect(keptChoice().language).toBe("ca");
});

test("a refused choice is not kept", async () => {
  const { client } = clientOf(true);
  await expect(new Captions(client).read({ language: "es", original: false })).rejects.toThrow();
  expect(keptChoice().language).toBeNull();
});

test("captions go from the picture by themselves, and stay in the log", () => {
  const captions = new Captions(clientOf().client);
  captions.take(withCue(NO_CAPTIONS, cue(1, "hello"), "Ada", Date.now()));
  expect(captions.shown.value).toHaveLength(1);
  vi.advanceTimersByTime(3_999);
  expect(captions.shown.value).toHaveLength(1);
  vi.advanceTimersByTime(1);
  expect(captions.shown.value).toEqual([]);
  expect(captions.store.value.lines).toHaveLength(1);
  captions.dispose();
});

test("speakers have colours in turn", () => {
  const captions = new Captions(clientOf().client);
  let store = NO_CAPTIONS;
  for (let at = 0; at <= COLOURS; at += 1) store = withCue(store, cue(at, "x", { speaker: `s${at}` }), `S${at}`, 0);
  captions.take(store);
  expect(["s0", "s1", `s${COLOURS}`, "nobody"].map((speaker) => captions.colourOf(speaker))).toEqual([0, 1, 0, 0]);
});

test("languages are offered by name, and a chosen one that went stays to be seen", () => {
  expect(languageOptions(VIEW, null).map((option) => option.label)).toEqual(["None", "As it is spoken", "Catalan", "Spanish"]);
  expect(languageOptions(VIEW, "fr").at(-1)).toEqual({ value: "fr", label: "French (not to be had now)" });
  expect(roughWords("Apertium")).toBe("Rough machine translation by Apertium");
});

test("the lasting sign stands while anything listens, and before", () => {
  expect(runningSign(VIEW)?.words).toBe("Captions are running");
  expect(runningSign({ ...VIEW, running: false })?.words).toBe("Captions are on");
  expect(runningSign({ ...VIEW, state: "unavailable", running: false })).toBeNull();
  expect(runningSign({ ...VIEW, state: "off", running: true })?.words).toBe("Captions are running");
  expect(runningSign({ ...VIEW, state: "off", running: false })).toBeNull();
});

test("hosts are told what an operator does about it, the others that there is nothing just now", () => {
  const host = standingWords({ ...VIEW, state: "unavailable", trouble: "no_model" });
  expect(host?.steps.map((step) => step.code).join("\n")).toMatch(/conclave captions models[^]*conclave captions fetch NAME[^]*conclave captions add FILE[^]*model = /u);
  for (const trouble of ["no_worker", "failed"] as const) expect(standingWords({ ...VIEW, state: "unavailable", trouble })?.steps.length).toBeGreaterThan(0);
  expect(standingWords({ ...VIEW, state: "unavailable" })).toMatchObject({ steps: [], text: "They are turned on, but the server cannot make any. The hosts see why." });
  expect(standingWords({ ...VIEW, state: "delayed" })?.title).toBe("Captions come late");
  expect(standingWords(VIEW)).toBeNull();
});

test("the two switches are told in words of what they do to people", () => {
  expect(switchSaid(settingOf("captions", "on"), "The Host")).toMatch(/^The Host turned captions on: what you say is turned into text/u);
  expect(switchSaid(settingOf("transcript", "on"), "The Host")).toMatch(/written down/u);
  expect(switchSaid(settingOf("room_chat", "on"), "The Host")).toBeNull();
});

test("languages and words have a page of their own, and what is wrong with the words is said before they are sent", () => {
  const room = "a".repeat(26);
  expect(routeOf(`/r/${room}/captions`, "")).toEqual({ page: "manage", room, part: "captions" });
  expect(wordsOf(" Heron \n\nŁukasz\nHeron")).toEqual(["Heron", "Łukasz"]);
  expect(wordsTrouble(["x".repeat(64)])).toBeUndefined();
  // In bytes, as the server counts.
  expect(wordsTrouble(["ä".repeat(33)])).toMatch(/is too long/u);
  expect(wordsTrouble(Array.from({ length: 33 }, (_, at) => `w${at}`))).toMatch(/33 lines/u);
  expect([null, [], ["es"]].map((languages) => intoOf({ languages }))).toEqual(["all", "none", "some"]);
  expect(languageChoices(["es"], "kab").some((one) => one.value === "es")).toBe(false);
  expect(languageChoices([], "kab").some((one) => one.value === "kab")).toBe(true);
});

test("transcripts have a page of their own", () => {
  const room = "a".repeat(26);
  expect(routeOf(`/r/${room}/transcripts`, "")).toEqual({ page: "manage", room, part: "transcripts" });
});

test("every name can be read on every ground that it stands on", () => {
  const tokens = readFileSync(new URL("../src/styles/tokens.css", import.meta.url), "utf8");
  const styles = readFileSync(new URL("../src/styles/captions.css", import.meta.url), "utf8");
  const pair = (name: string) => /light-dark\((?<light>#\w{6}), (?<dark>#\w{6})\)/u.exec(new RegExp(`--${name}: [^;]+;`, "u").exec(tokens)?.[0] ?? "")?.groups ?? {};
  const paper = pair("paper");
  const [, dark = "", white = ""] = /\.captions \{([^}]*)\}[^]*\.captions-on-white \{([^}]*)\}/u.exec(styles) ?? [];
  const of = (rules: string, name: string) => new RegExp(`--${name}: (#\\w{6})`, "u").exec(rules)?.[1] ?? "";
  // What shines through the shade is white at worst.
  const alpha = Number(/--caption-shade: rgb\(10 14 13 \/ (0\.\d+)\)/u.exec(tokens)?.[1]);
  const shade = mixed([10, 14, 13], alpha);
  for (let voice = 0; voice < COLOURS; voice += 1) {
    const own = pair(`voice-${voice}`);
    expect(contrast(own["light"] ?? "", paper["light"] ?? "")).toBeGreaterThanOrEqual(4.5);
    expect(contrast(own["dark"] ?? "", paper["dark"] ?? "")).toBeGreaterThanOrEqual(4.5);
    for (const below of [shade, "#000000"]) expect(contrast(of(dark, `voice-${voice}`), below)).toBeGreaterThanOrEqual(4.5);
    expect(contrast(of(white, `voice-${voice}`), "#ffffff")).toBeGreaterThanOrEqual(4.5);
  }
  for (const ink of ["caption-ink", "caption-soft"]) {
    for (const below of [shade, "#000000"]) expect(contrast(of(dark, ink), below)).toBeGreaterThanOrEqual(4.5);
    expect(contrast(of(white, ink), "#ffffff")).toBeGreaterThanOrEqual(4.5);
  }
});

/** By the formula of WCAG 2. */
function contrast(one: string, other: string): number {
  const [a, b] = [light(one), light(other)];
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}

function light(colour: string): number {
  expect(colour).toMatch(/^#[0-9a-f]{6}$/u);
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function mixed(colour: readonly number[], alpha: number): string {
  return `#${colour.map((part) => Math.round(part * alpha + 255 * (1 - alpha)).toString(16).padStart(2, "0")).join("")}`;
}
