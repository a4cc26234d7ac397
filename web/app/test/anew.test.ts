// A meeting whose missed events are no longer held: what they would have told is asked for.

import type { ChatView, CueView } from "@conclave/sdk";
import { beforeEach, expect, test, vi } from "vitest";
import { participant, roomView, YOU } from "../../sdk/test/fakes";
import { eachHasAMeeting, meeting, world } from "./meeting";

eachHasAMeeting();

beforeEach(() => admitted(0));

function admitted(seq: number): void {
  world.socket.say({ type: "admitted", room: roomView(participant(YOU)), resume: "s", seq });
}

function message(number: number): ChatView {
  return { number, at: number, participant: "ada", name: "Ada", role: "host", text: `Number ${number}`, deleted: false };
}

async function page(...numbers: number[]): Promise<void> {
  await vi.advanceTimersByTimeAsync(0);
  world.socket.say({ type: "reply", id: world.socket.last("chat_history").id, ok: { type: "chat_page", messages: numbers.map(message), more: false } });
  await vi.advanceTimersByTimeAsync(0);
}

/** The connection is lost for so long that the server answers with the whole view. */
async function missMuch(): Promise<void> {
  world.socket.handlers.closed(1006);
  await vi.advanceTimersByTimeAsync(1_000);
  world.socket.open();
  admitted(400);
  await vi.advanceTimersByTimeAsync(0);
}

function shown(): number[] {
  return meeting.chat.log.value.messages.map((one) => one.number);
}

test("what was written meanwhile is read, by one request, and what is shown is no message with a hole before it", async () => {
  meeting.open("chat");
  await page(1, 2);
  expect(shown()).toEqual([1, 2]);
  await missMuch();
  // The panel asks as well when its newest message is another one.
  meeting.chat.read();
  expect(world.socket.types().filter((type) => type === "chat_history")).toEqual(["chat_history"]);
  world.socket.event(401, { type: "chat", message: message(4) });
  await page(1, 2, 3);
  expect(shown()).toEqual([1, 2, 3, 4]);
  expect(meeting.chat.log.value).toMatchObject({ next: null, unread: 0 });
});

test("with the chat closed the messages that were missed are unread", async () => {
  world.socket.event(1, { type: "chat", message: message(1) });
  expect(meeting.chat.log.value.unread).toBe(1);
  await missMuch();
  await page(1, 2, 3);
  expect(meeting.chat.log.value.unread).toBe(3);
  meeting.open("chat");
  expect(meeting.chat.log.value.unread).toBe(0);
});

test("a short loss asks for nothing", async () => {
  meeting.open("chat");
  await page(1, 2);
  world.socket.handlers.closed(1006);
  await vi.advanceTimersByTimeAsync(1_000);
  world.socket.open();
  world.socket.say({ type: "resumed", resume: "s" });
  await vi.advanceTimersByTimeAsync(0);
  expect(world.socket.types()).not.toContain("chat_history");
  expect(shown()).toEqual([1, 2]);
});

test("the captions of the same session stay, those of another go", async () => {
  const cue: CueView = { cue: 1, revision: 1, speaker: YOU, name: "You", language: "en", original: true, t0: 0, t1: 0, committed: "Hello", tentative: "", final: true };
  world.socket.say({ type: "cue", cue });
  expect(meeting.captions.store.value.lines.length).toBe(1);
  await missMuch();
  expect(meeting.captions.store.value.lines.length).toBe(1);
  world.socket.handlers.closed(1006);
  await vi.advanceTimersByTimeAsync(1_000);
  world.socket.open();
  world.socket.say({ type: "closed", code: "restarted", text: "" });
  expect(meeting.captions.store.value.lines.length).toBe(0);
});

test("nothing of the room before a restart of the server is left", async () => {
  meeting.open("chat");
  await page(1, 2);
  world.socket.handlers.closed(1006);
  await vi.advanceTimersByTimeAsync(1_000);
  world.socket.open();
  world.socket.say({ type: "closed", code: "restarted", text: "" });
  expect([shown(), meeting.panel.value]).toEqual([[], null]);
});
