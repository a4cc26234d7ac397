// What hosts work with: acts on a person and their keys, those who wait, who is shown large.

import { CallFailed, type KnockView, type LobbyPage } from "@conclave/sdk";
import { expect, test } from "vitest";
import { actFor, actsOn } from "../src/meeting/acts";
import { mainOf } from "../src/meeting/focus";
import { FETCHED, Later } from "../src/meeting/later";
import { inOrder, merged, PAGE, pageOf, stillChosen, titleOf, toggled, toggledAll } from "../src/meeting/waiting";
import { identityWords, linkStanding, warningWords } from "../src/words/people";
import { knockOf, person, roomOf } from "./people";

const OWNER = person("owner");
const HOST = person("host");
const MEMBER = person("attendee");
const GUEST = person("guest");

function ids(own: typeof OWNER, target: typeof OWNER, spotlight: string | null = null): string[] {
  return actsOn(own, target, roomOf(own.participant, [own, target], { spotlight })).map((act) => act.id);
}

test("only hosts are offered acts, on those below them, and never on themselves", () => {
  expect(ids(MEMBER, GUEST)).toEqual([]);
  expect(ids(person("presenter"), GUEST)).toEqual([]);
  expect(ids(OWNER, OWNER)).toEqual([]);
  expect(ids(HOST, OWNER)).toEqual(["spotlight"]);
  expect(ids(HOST, MEMBER)).toContain("remove");
});

test("a host without the second factor that is asked for is offered nothing", () => {
  const room = roomOf(OWNER.participant, [OWNER, MEMBER], { lacks_factor: true });
  expect(actsOn(OWNER, MEMBER, room)).toEqual([]);
});

test("what is not on cannot be cut, and nothing is offered that turns something on", () => {
  expect(ids(HOST, MEMBER).filter((id) => ["mute", "pause", "stop_share"].includes(id))).toEqual([]);
  const loud = person("attendee", { sources: { microphone: "on", camera: "on", screen: "off", screen_audio: "on" } });
  expect(ids(HOST, loud).slice(1, 4)).toEqual(["mute", "pause", "stop_share"]);
});

test("every act on one person has a key of its own", () => {
  for (const target of [MEMBER, GUEST, person("presenter"), person("host")]) {
    const busy = { ...target, sources: { microphone: "on", camera: "on", screen: "on", screen_audio: "on" } as const };
    const keys = actsOn(OWNER, busy, roomOf("owner", [OWNER, busy])).map((act) => act.key);
    expect(new Set(keys).size).toBe(keys.length);
    expect(keys.every((key) => key.length === 1 && key === key.toUpperCase())).toBe(true);
  }
});

test("what cannot be taken back is asked first, and a mute is not", () => {
  const loud = person("attendee", { sources: { microphone: "on", camera: "off", screen: "off", screen_audio: "off" } });
  const acts = actsOn(OWNER, loud, roomOf("owner", [OWNER, loud]));
  expect(acts.filter((act) => act.confirm !== undefined).map((act) => act.id)).toEqual(["transfer", "send_back", "remove", "bar"]);
  expect(actFor(acts, "m")?.id).toBe("mute");
  expect(actFor(acts, "Q")).toBeUndefined();
});

test("the effect of a right is named, and that giving it starts nothing", () => {
  const cut = person("attendee", { sources: { microphone: "withdrawn", camera: "off", screen: "not_allowed", screen_audio: "not_allowed" } });
  const acts = actsOn(HOST, cut, roomOf("host", [HOST, cut]));
  expect(actFor(acts, "U")).toMatchObject({ label: "Allow to speak", done: "The attendee may speak. Nothing starts until they turn it on." });
  expect(actFor(acts, "C")).toMatchObject({ label: "Do not allow to show video" });
});

test("a host cannot make others host, the owner can; guests get no role and no room", () => {
  expect(ids(HOST, MEMBER).filter((id) => id.startsWith("role."))).toEqual(["role.presenter"]);
  expect(ids(OWNER, MEMBER).filter((id) => id.startsWith("role."))).toEqual(["role.presenter", "role.host"]);
  expect(ids(OWNER, GUEST).filter((id) => id.startsWith("role.") || id === "transfer")).toEqual([]);
});

test("the spotlight, then the loudest, then whoever was large last is shown large", () => {
  const people = [person("owner"), person("host"), person("attendee"), person("guest")];
  const main = (speaking: string[], last: string | null, spotlight: string | null = null) => mainOf(roomOf("owner", people, { spotlight }), speaking, last)?.participant;
  expect(main(["guest", "host"], "attendee", "host")).toBe("host");
  expect(main(["owner", "guest"], "attendee")).toBe("guest");
  expect(main([], "attendee")).toBe("attendee");
  expect(main([], "who left")).toBe("host");
  expect(main([], null, "owner")).toBe("owner");
  expect(mainOf(roomOf("owner", [OWNER]), ["owner"], null)?.participant).toBe("owner");
});

test("the suspected stand last, the others in the order of arrival", () => {
  const knocks = [knockOf("c", { since: 3 }), knockOf("s", { since: 1, suspected: true }), knockOf("a", { since: 2 })];
  expect(inOrder(knocks).map((knock) => knock.knock)).toEqual(["a", "c", "s"]);
});

test("of ten thousand one page is shown, and there is none past the last", () => {
  const crowd = Array.from({ length: 10_000 }, (_, at) => knockOf(String(at)));
  expect(pageOf(crowd, 0).shown.length).toBe(PAGE);
  expect(pageOf(crowd, 9_999)).toMatchObject({ at: 199, pages: 200 });
  expect(pageOf([], 3)).toEqual({ shown: [], at: 0, pages: 1 });
});

test("a page fetched before does not hide what has changed since", () => {
  const newer = knockOf("a", { version: 2, name: "New" });
  expect(merged([newer], [knockOf("a"), knockOf("b")])).toEqual([newer, knockOf("b")]);
});

/** A waiting room as the server pages it, by arrival, and what a host was asked for of it. */
class Door {
  readonly asked: (string | undefined)[] = [];
  readonly later = new Later((after) => this.#page(after));

  constructor(public waiting: KnockView[]) {}

  /** As the host's page knows it: what the room told, and what was read. */
  shown(): KnockView[] {
    return inOrder(merged(this.waiting.slice(0, FETCHED), this.later.knocks.value));
  }

  more(): Promise<boolean> {
    return this.later.more(new Set(this.shown().map((knock) => knock.knock)));
  }

  go(id: string): void {
    this.waiting = this.waiting.filter((knock) => knock.knock !== id);
    this.later.take({ type: "knock_gone", knock: id });
  }

  #page(after: string | undefined): Promise<LobbyPage> {
    this.asked.push(after);
    const at = this.waiting.findIndex((knock) => knock.knock === after);
    if (after !== undefined && at < 0) return Promise.reject(new CallFailed("not_found", "Nobody waits by that name."));
    return Promise.resolve({ knocks: this.waiting.slice(at + 1, at + 1 + FETCHED), waiting: this.waiting.length, suspected: 0 });
  }
}

function crowdOf(count: number, suspected = -1): KnockView[] {
  return Array.from({ length: count }, (_, at) => knockOf(`k${at}`, { since: at, suspected: at === suspected }));
}

test("pages go on from the last arrival, also where someone suspected came early and stands last", async () => {
  const door = new Door(crowdOf(450, 3));
  expect(await door.more()).toBe(true);
  expect(door.asked.at(-1)).toBe("k199");
  expect(await door.more()).toBe(true);
  expect(door.asked.at(-1)).toBe("k399");
  expect(door.shown().length).toBe(450);
  expect(await door.more()).toBe(false);
});

test("nobody between is missed when the room told of a later one by itself", async () => {
  const door = new Door(crowdOf(450));
  const told = [...door.waiting.slice(0, FETCHED), door.waiting[430] as KnockView];
  expect(await door.later.more(new Set(told.map((knock) => knock.knock)))).toBe(true);
  expect(merged(told, door.later.knocks.value).length).toBe(401);
});

test("whoever is gone is not shown on a later page, and pages go on from who is left", async () => {
  const door = new Door(crowdOf(450));
  await door.more();
  door.go("k399");
  expect(door.shown().some((knock) => knock.knock === "k399")).toBe(false);
  expect(await door.more()).toBe(true);
  expect(door.asked.at(-1)).toBe("k398");
  door.later.take({ type: "lobby", knocks: door.waiting.slice(0, FETCHED) });
  expect(door.later.knocks.value).toEqual([]);
});

test("pages begin anew when the line they go on from went in that moment", async () => {
  const door = new Door(crowdOf(450));
  await door.more();
  // The server knows already, this page does not yet.
  door.waiting = door.waiting.filter((knock) => knock.knock !== "k399");
  expect(await door.more()).toBe(true);
  expect(door.shown()).toEqual(door.waiting.slice(0, 400));
});

test("what came is not taken when many went while it was on its way", async () => {
  const door = new Door(crowdOf(650));
  await door.more();
  const more = door.more();
  door.waiting = door.waiting.slice(100);
  door.later.take({ type: "lobby", knocks: door.waiting.slice(0, FETCHED) });
  await more;
  expect(door.shown()).toEqual(door.waiting.slice(0, door.shown().length));
});

test("whoever changes their name after being chosen is chosen no more", () => {
  let chosen = toggledAll(new Map(), [knockOf("a"), knockOf("b"), knockOf("gone")]);
  chosen = toggled(toggled(chosen, knockOf("b")), knockOf("b"));
  const { kept, changed } = stillChosen(chosen, [knockOf("a", { version: 2, name: "Guest (host)" }), knockOf("b"), knockOf("new")]);
  expect([...kept]).toEqual([["b", 1]]);
  expect(changed.map((knock) => knock.name)).toEqual(["Guest (host)"]);
  expect(toggledAll(kept, [knockOf("b")]).size).toBe(0);
});

test("the tab says how many wait", () => {
  expect([titleOf("Board", 0), titleOf("Board", 12)]).toEqual(["Board – Conclave", "(12) Board – Conclave"]);
});

test("who vouches for a name is said in words", () => {
  expect(identityWords(knockOf("a", { identity: { kind: "account", organisation: "Example" } }))).toBe("signed in, Example");
  expect(identityWords(knockOf("a", { identity: { kind: "guest_link", label: "Guest" } }))).toBe("guest with the link “Guest”");
  expect(identityWords(knockOf("a"))).toBe("guest, unverified");
  expect(warningWords({ kind: "resembles_host", name: "Guest" })).toContain("Guest");
});

test("a guest link that is used can be taken back, one that is over cannot", () => {
  const link = { id: "l", label: "Guest", made: 0, expires: 100, used: null, revoked: null };
  expect(linkStanding(link, 50)).toMatchObject({ words: "not used yet", mayRevoke: true });
  expect(linkStanding({ ...link, used: 10 }, 50)).toMatchObject({ words: "in use", mayRevoke: true });
  expect(linkStanding(link, 100)).toMatchObject({ words: "expired", mayRevoke: false });
  expect(linkStanding({ ...link, revoked: 20 }, 50)).toMatchObject({ words: "taken back", mayRevoke: false });
});
