// A meeting without a page, whose server is the test.

import "./nopage";
import { Conclave } from "@conclave/sdk";
import { afterEach, beforeEach, vi } from "vitest";
import { ROOM, World } from "../../sdk/test/fakes";
import { Meeting } from "../src/meeting/model";

export let world: World;
export let meeting: Meeting;

/** Each test of a file has a meeting of its own, which asks to come in, and a clock that stands still. */
export function eachHasAMeeting(): void {
  beforeEach(() => {
    vi.useFakeTimers();
    world = new World();
    meeting = new Meeting(Conclave.join({ url: "wss://here/ws", room: ROOM }, world.environment));
    world.socket.open();
  });
  afterEach(() => {
    meeting.dispose();
    vi.useRealTimers();
  });
}
