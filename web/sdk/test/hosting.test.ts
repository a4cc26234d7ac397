// What hosts do and what becomes of those to whom it is done: back in the waiting room, words for those who wait, counts, the chat.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Conclave } from "../src/conclave";
import type { Done } from "../src/generated/Done";
import { fakeTrack, participant, ROOM, roomView, World, YOU } from "./fakes";

let world: World;
let client: Conclave;

beforeEach(async () => {
  vi.useFakeTimers();
  world = new World();
  client = Conclave.join({ url: "wss://here/ws", room: ROOM }, world.environment);
  world.socket.open();
  world.socket.say({ type: "admitted", room: roomView(participant(YOU)), resume: "s", seq: 0 });
  await vi.advanceTimersByTimeAsync(0);
  world.socket.answer("offer", { sdp: "answer" });
  await vi.advanceTimersByTimeAsync(0);
});

afterEach(() => {
  vi.useRealTimers();
});

function reply(type: string, ok: Done): void {
  world.socket.say({ type: "reply", id: world.socket.last(type).id, ok });
}

test("whoever is sent back sends nothing more, holds no secret and sees nothing of the room", async () => {
  const track = fakeTrack("audio");
  const on = client.turnOn("microphone", track);
  world.socket.answer("publish", "done");
  await on;
  world.socket.say({ type: "waiting" });
  expect(track.stopped).toBe(true);
  expect(world.transport.closed).toBe(true);
  expect(world.secrets.size).toBe(0);
  expect(client.state).toMatchObject({ phase: "waiting", sentBack: true, messages: [] });
  world.socket.event(1, { type: "locked", locked: true });
  expect(client.state.phase).toBe("waiting");
});

test("let in again, everything begins anew: another transport, every source off", async () => {
  world.socket.say({ type: "waiting" });
  world.socket.say({ type: "admitted", room: roomView(participant(YOU)), resume: "s2", seq: 7 });
  await vi.advanceTimersByTimeAsync(0);
  expect(world.transports.length).toBe(2);
  expect(client.state).toMatchObject({ phase: "admitted", local: {} });
  expect(world.secrets.get(ROOM)).toBe("s2");
  world.socket.event(8, { type: "locked", locked: true });
  expect(client.state).toMatchObject({ room: { locked: true } });
});

test("a connection lost while waiting knocks again, and does not resume", async () => {
  world.socket.say({ type: "waiting" });
  world.socket.handlers.closed(1006);
  await vi.advanceTimersByTimeAsync(1_000);
  world.socket.open();
  expect(world.socket.types()).toEqual(["join"]);
});

test("what hosts say is shown to those who wait, the last few, and to nobody inside", () => {
  world.socket.say({ type: "message", text: "not for you" });
  expect(client.state.phase).toBe("admitted");
  world.socket.say({ type: "waiting" });
  for (const text of ["one", "two", "three"]) world.socket.say({ type: "message", text });
  world.socket.say({ type: "message", phrase: "starting_soon" });
  expect(client.state).toMatchObject({ messages: [{ text: "two" }, { text: "three" }, { phrase: "starting_soon" }] });
});

test("several are let in each in the version that was seen, and the answer is their number", async () => {
  const seen = [
    { knock: "k1", version: 2 },
    { knock: "k2", version: 1 },
  ];
  const admitted = client.admitMany(seen);
  expect(world.socket.last("admit_many").request).toMatchObject({ knocks: seen });
  reply("admit_many", { type: "counted", count: 2 });
  expect(await admitted).toBe(2);
});

test("a word to all who wait names nobody, a word to one names them", () => {
  void client.messageWaiting({ phrase: "one_moment" });
  expect(world.socket.last("message_waiting").request).toEqual({ type: "message_waiting", phrase: "one_moment" });
  void client.messageWaiting({ text: "Who is there?" }, "k1");
  expect(world.socket.last("message_waiting").request).toEqual({ type: "message_waiting", text: "Who is there?", knock: "k1" });
});

test("a plain removal does not speak of a bar", () => {
  void client.remove("jun");
  expect(world.socket.last("remove").request).toEqual({ type: "remove", participant: "jun" });
  void client.remove("jun", true);
  expect(world.socket.last("remove").request).toEqual({ type: "remove", participant: "jun", bar: true });
});

test("the spotlight, the suspension and the right to write are taken over", () => {
  world.socket.event(1, { type: "spotlight", participant: "member" });
  world.socket.event(2, { type: "suspended", suspended: true, by: "Host" });
  world.socket.event(3, { type: "may_chat", may: true });
  world.socket.event(4, { type: "lobby_count", waiting: 900, suspected: 3 });
  expect(client.state).toMatchObject({ room: { spotlight: "member", suspended: true, may_chat: true, lobby: { waiting: 900, suspected: 3 } } });
});

test("the first page of the chat names no number, the next one begins where it ended", async () => {
  const first = client.chatHistory(undefined, 50);
  expect(world.socket.last("chat_history").request).toEqual({ type: "chat_history", limit: 50 });
  reply("chat_history", { type: "chat_page", messages: [], more: true, next: 40 });
  expect(await first).toMatchObject({ more: true, next: 40 });
  void client.chatHistory(40, 50);
  expect(world.socket.last("chat_history").request).toEqual({ type: "chat_history", limit: 50, before: 40 });
});
