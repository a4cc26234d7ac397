// What hosts work with: acts on a person and their keys, those who wait, who is shown large.

import { expect, test } from "vitest";
import { actFor, actsOn } from "../src/meeting/acts";
import { mainOf } from "../src/meeting/focus";
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
