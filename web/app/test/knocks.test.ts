// Who waits, told to whoever decides about it.

import type { KnockView } from "@conclave/sdk";
import { expect, test, vi } from "vitest";
import { participant, roomView, YOU } from "../../sdk/test/fakes";
import { eachHasAMeeting, meeting, world } from "./meeting";

eachHasAMeeting();

function knock(name: string, more: Partial<KnockView> = {}): KnockView {
  return { knock: name, version: 1, name, signed_in: false, since: 1, while_locked: false, denied_before: 0, identity: { kind: "unverified" }, first_seen: 1, suspected: false, similar_to: null, agreed_by: null, picture: null, ...more };
}

function entered(...knocks: KnockView[]): void {
  world.socket.say({ type: "admitted", room: roomView(participant(YOU, {}, { role: "host" }), { knocks }), resume: "s", seq: 0 });
}

function said(): string[] {
  return meeting.notices.list.value.map((notice) => notice.text);
}

test("a host who comes in where one waits may let them in at once", () => {
  entered(knock("Ada"));
  expect(said()).toEqual(["Ada (guest, unverified) knocks."]);
  expect(meeting.notices.list.value[0]?.actions?.map((action) => action.label)).toEqual(["Let in", "See who waits"]);
});

test("of several who wait already their number is told, once", async () => {
  entered(knock("Ada"), knock("Bea"));
  expect(said()).toEqual(["2 people wait."]);
  for (const notice of meeting.notices.list.value) meeting.notices.dismiss(notice.id);
  world.socket.handlers.closed(1006);
  await vi.advanceTimersByTimeAsync(1_000);
  world.socket.open();
  entered(knock("Ada"), knock("Bea"));
  expect(said()).toEqual([]);
});

test("that some wait is not said any more when nobody does", () => {
  entered(knock("Ada"), knock("Bea"));
  world.socket.say({ type: "event", seq: 1, event: { type: "knock_gone", knock: "Ada" } });
  expect(said()).toEqual(["2 people wait."]);
  world.socket.say({ type: "event", seq: 2, event: { type: "knock_gone", knock: "Bea" } });
  expect(said()).toEqual([]);
});

test("one who is held apart is not offered to be let in with one press", () => {
  entered(knock("Ada", { suspected: true }));
  expect(said()).toEqual(["One person waits."]);
});

test("whoever is made a host is told who waits", () => {
  world.socket.say({ type: "admitted", room: roomView(participant(YOU)), resume: "s", seq: 0 });
  expect(said()).toEqual([]);
  world.socket.say({ type: "event", seq: 1, event: { type: "lobby", knocks: [knock("Ada")] } });
  expect(said()).toEqual(["Ada (guest, unverified) knocks."]);
});

test("where nobody waits nothing is said", () => {
  entered();
  expect(said()).toEqual([]);
});
