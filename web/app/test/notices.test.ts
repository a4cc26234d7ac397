// Notices: how long they stay, and that what one offers still is what the person sees.

import { Conclave } from "@conclave/sdk";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { fakeTrack, participant, ROOM, roomView, World, YOU } from "../../sdk/test/fakes";
import { Meeting } from "../src/meeting/model";
import { Notices } from "../src/meeting/notices";
import { Page } from "./page";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** In a room, with a microphone that went off with the connection. */
async function stopped(): Promise<{ world: World; meeting: Meeting; turnOn: () => Promise<void> }> {
  new Page();
  const world = new World();
  const meeting = new Meeting(Conclave.join({ url: "wss://here/ws", room: ROOM }, world.environment));
  world.socket.open();
  world.socket.say({ type: "admitted", room: roomView(), resume: "s", seq: 0 });
  await vi.advanceTimersByTimeAsync(0);
  const turnOn = async () => {
    const on = meeting.client.turnOn("microphone", fakeTrack("audio"));
    world.socket.answer("publish", "done");
    await on;
  };
  await turnOn();
  world.socket.event(1, { type: "participant_changed", participant: participant(YOU, { microphone: "on" }) });
  world.socket.event(2, { type: "participant_changed", participant: participant(YOU) });
  await vi.advanceTimersByTimeAsync(0);
  return { world, meeting, turnOn };
}

test("what went off with the connection is offered again until it is on, and never turned off by that", async () => {
  const { world, meeting, turnOn } = await stopped();
  const [notice] = meeting.notices.list.value;
  expect(notice?.actions.map((action) => action.label)).toEqual(["Turn on again"]);
  await turnOn();
  expect(meeting.notices.list.value).toEqual([]);
  // Pressed in the moment before it went.
  void notice?.actions[0]?.run();
  await vi.advanceTimersByTimeAsync(0);
  expect(meeting.sends("microphone")).toBe(true);
  expect(world.socket.sent.filter(({ request }) => request.type === "publish" && request["on"] === false)).toEqual([]);
  meeting.dispose();
});

test("a notice that stays still stays after it was pointed at, one that goes goes, whatever it offers", () => {
  const notices = new Notices();
  notices.say("Your session was copied.", { stay: true });
  notices.say("Somebody wrote.", { stay: false, actions: [{ label: "Read", run: () => undefined }] });
  notices.say("Somebody knocks.", { actions: [{ label: "Look", run: () => undefined }] });
  notices.say("Unlocked.");
  const shown = () => notices.list.value.map((notice) => notice.text);
  for (const { id } of notices.list.value) notices.hold(id);
  vi.advanceTimersByTime(8_000);
  expect(shown().length).toBe(4);
  for (const { id } of notices.list.value) notices.release(id);
  vi.advanceTimersByTime(8_000);
  expect(shown()).toEqual(["Your session was copied.", "Somebody knocks."]);
});
