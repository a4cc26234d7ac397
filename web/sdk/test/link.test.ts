// The way in, the wait, replies, order of events and coming back, over a socket driven by hand.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Conclave } from "../src/conclave";
import type { State } from "../src/state";
import { participant, ROOM, roomView, World, YOU, type FakeSocket } from "./fakes";

let world: World;

beforeEach(() => {
  vi.useFakeTimers();
  world = new World();
});

afterEach(() => {
  vi.useRealTimers();
});

function join(password?: string): Conclave {
  const client = Conclave.join({ url: "wss://here/ws", room: ROOM, ...(password === undefined ? {} : { password }) }, world.environment);
  world.socket.open();
  return client;
}

function joinIn(seq = 0): Conclave {
  const client = join();
  world.socket.say({ type: "admitted", room: roomView(), resume: "secret-1", seq });
  return client;
}

async function reopen(): Promise<void> {
  const before = world.sockets.length;
  await vi.advanceTimersByTimeAsync(15_000);
  expect(world.sockets.length).toBe(before + 1);
  world.socket.open();
}

function phase(client: Conclave): State["phase"] {
  return client.state.phase;
}

test("the first frame is a join with the password", () => {
  const client = join("bakidu");
  expect(world.socket.sent).toEqual([{ id: 1, proof: "proof of nonce", request: { type: "join", room: ROOM, password: "bakidu" } }]);
  expect(phase(client)).toBe("connecting");
});

test("a join without a password leaves the key out", () => {
  join();
  expect(world.socket.last("join").request).toEqual({ type: "join", room: ROOM });
});

test("who knocks waits, and is admitted by the next message", () => {
  const client = join();
  world.socket.say({ type: "waiting" });
  expect(phase(client)).toBe("waiting");
  world.socket.say({ type: "admitted", room: roomView(), resume: "secret-1", seq: 7 });
  expect(client.state).toMatchObject({ phase: "admitted", link: "up", room: { title: "Review" } });
  expect(world.secrets.get(ROOM)).toBe("secret-1");
});

test("nothing but leave is sent while waiting", async () => {
  const client = join();
  world.socket.say({ type: "waiting" });
  await expect(client.raiseHand(true)).rejects.toMatchObject({ code: "unreachable" });
  await vi.advanceTimersByTimeAsync(60_000);
  client.leave();
  expect(world.socket.types()).toEqual(["join", "leave"]);
});

test.each([
  ["denied", 4007],
  ["cannot_join", 4004],
  ["ended", 4009],
  ["room_full", 4099],
] as const)("%s ends the wait with the server's own text", (code, close) => {
  const client = join();
  world.socket.say({ type: "waiting" });
  world.socket.say({ type: "closed", code, text: "Because." });
  world.socket.handlers.closed(close);
  expect(client.state).toEqual({ phase: "closed", code, text: "Because.", wasIn: false });
});

test("a close code speaks for a last message that did not arrive", () => {
  const client = joinIn();
  world.socket.handlers.closed(4008);
  expect(client.state).toMatchObject({ phase: "closed", code: "removed", wasIn: true });
  expect(world.secrets.has(ROOM)).toBe(false);
});

test("removal, leaving and the end forget the resume secret", () => {
  for (const code of ["removed", "left", "ended"] as const) {
    joinIn();
    expect(world.secrets.has(ROOM)).toBe(true);
    world.socket.say({ type: "closed", code, text: "" });
    expect(world.secrets.has(ROOM)).toBe(false);
  }
});

test("a request is settled by the reply with its number", async () => {
  const client = joinIn();
  const first = client.lock(true);
  const second = client.lock(false);
  world.socket.answer("lock", { refused: "not_allowed" });
  await expect(second).rejects.toMatchObject({ code: "not_allowed", message: "No." });
  const lock = world.socket.sent.find((sent) => sent.request.type === "lock");
  world.socket.say({ type: "reply", id: lock?.id ?? 0, ok: { type: "done" } });
  await expect(first).resolves.toBeUndefined();
});

test("a request without an answer fails by its deadline, and says that it may have been done", async () => {
  const client = joinIn();
  const waiting = expect(client.lock(true)).rejects.toMatchObject({ code: "timeout" });
  await vi.advanceTimersByTimeAsync(10_000);
  await waiting;
});

test("a request fails at once when the connection is lost", async () => {
  const client = joinIn();
  const waiting = expect(client.lock(true)).rejects.toMatchObject({ code: "unreachable" });
  world.socket.handlers.closed(1006);
  await waiting;
});

test("events are applied in order and a doubled one is left out", () => {
  const client = joinIn(4);
  world.socket.event(5, { type: "locked", locked: true, by: "Host" });
  world.socket.event(5, { type: "locked", locked: false });
  expect(client.state).toMatchObject({ room: { locked: true } });
});

test("a gap in the numbers is not applied: the client resumes from the last one it has", async () => {
  const client = joinIn(4);
  const old = world.socket;
  old.event(5, { type: "count", count: 2 });
  old.event(7, { type: "locked", locked: true });
  expect(client.state).toMatchObject({ link: "lost", room: { locked: false } });
  expect(old.closed).toBe(true);
  await reopen();
  expect(world.socket.sent[0]?.request).toEqual({ type: "resume", room: ROOM, secret: "secret-1", seen: 5 });
  world.socket.say({ type: "resumed", resume: "secret-2" });
  world.socket.event(6, { type: "count", count: 3 });
  world.socket.event(7, { type: "locked", locked: true });
  expect(client.state).toMatchObject({ link: "up", room: { locked: true, count: 3 } });
  expect(world.secrets.get(ROOM)).toBe("secret-2");
});

test("a lost connection keeps the meeting on the page and comes back", async () => {
  const client = joinIn();
  world.socket.handlers.closed(1006);
  expect(client.state).toMatchObject({ phase: "admitted", link: "lost" });
  await reopen();
  world.socket.handlers.closed(1006);
  expect(client.state).toMatchObject({ phase: "admitted", link: "lost" });
  await reopen();
  world.socket.say({ type: "admitted", room: roomView(participant(YOU), { title: "Later" }), resume: "s", seq: 30 });
  expect(client.state).toMatchObject({ phase: "admitted", link: "up", room: { title: "Later" } });
});

test("a resume that does not hold any more ends, and the secret with it", async () => {
  const client = joinIn();
  world.socket.handlers.closed(1006);
  await reopen();
  world.socket.say({ type: "closed", code: "cannot_resume", text: "Too long." });
  expect(client.state).toMatchObject({ phase: "closed", code: "cannot_resume", wasIn: true });
  expect(world.secrets.has(ROOM)).toBe(false);
});

test("a reloaded tab resumes instead of joining, and asks for the whole view", () => {
  world.secrets.set(ROOM, "kept");
  expect(Conclave.mayResume(ROOM, world.environment)).toBe(true);
  join("unused");
  expect(world.socket.sent[0]?.request).toEqual({ type: "resume", room: ROOM, secret: "kept", seen: 0 });
});

test("a reloaded tab whose place went with the server asks the person first", () => {
  world.secrets.set(ROOM, "kept");
  const client = join();
  world.socket.say({ type: "closed", code: "restarted", text: "Join again." });
  expect(client.state).toMatchObject({ phase: "closed", code: "restarted", wasIn: false });
  expect(world.secrets.has(ROOM)).toBe(false);
});

test("a tab that was loaded again does not know the password: after a restart the person is asked for it, not told that it is wrong", async () => {
  world.secrets.set(ROOM, "kept");
  const client = join();
  world.socket.say({ type: "admitted", room: roomView(), resume: "secret-1", seq: 3 });
  world.socket.handlers.closed(1006);
  await reopen();
  world.socket.handlers.closed(4014);
  await reopen();
  expect(world.socket.types()).toEqual(["join"]);
  world.socket.say({ type: "closed", code: "cannot_join", text: "Wrong." });
  expect(client.state).toMatchObject({ phase: "closed", code: "restarted" });
});

test("a device that slept joins no meeting by itself after a restart", async () => {
  const client = joinIn();
  vi.setSystemTime(Date.now() + 12 * 60_000);
  world.socket.handlers.closed(1006);
  await reopen();
  expect(world.socket.types()).toEqual(["resume"]);
  world.socket.handlers.closed(4014);
  expect(client.state).toMatchObject({ phase: "closed", code: "restarted", wasIn: true });
});

test("a password that was just typed is used, though the tab still holds the secret of a server that was started anew", async () => {
  world.secrets.set(ROOM, "kept");
  join("bakidu");
  world.socket.handlers.closed(4014);
  await reopen();
  expect(world.socket.sent[0]?.request).toEqual({ type: "join", room: ROOM, password: "bakidu" });
});

test("a resume that brings only events is of no use to a tab without a view", () => {
  world.secrets.set(ROOM, "kept");
  const client = join();
  world.socket.say({ type: "resumed", resume: "s" });
  expect(client.state).toMatchObject({ phase: "closed", code: "cannot_resume" });
});

test("a knock that lost its connection knocks again, past its own ghost", async () => {
  const client = join();
  world.socket.say({ type: "waiting" });
  world.socket.handlers.closed(1006);
  expect(phase(client)).toBe("connecting");
  await reopen();
  world.socket.say({ type: "closed", code: "already_here", text: "Here." });
  world.socket.handlers.closed(4005);
  expect(phase(client)).toBe("connecting");
  await reopen();
  world.socket.say({ type: "waiting" });
  expect(phase(client)).toBe("waiting");
});

test("being there already is final for a first knock", () => {
  const client = join();
  world.socket.say({ type: "closed", code: "already_here", text: "Here." });
  expect(client.state).toMatchObject({ phase: "closed", code: "already_here" });
});

test("a refused upgrade without a session is: signed out", async () => {
  world.signedIn = false;
  const client = Conclave.join({ url: "wss://here/ws", room: ROOM }, world.environment);
  world.socket.handlers.closed(1006);
  await vi.advanceTimersByTimeAsync(0);
  expect(client.state).toMatchObject({ phase: "closed", code: "signed_out" });
});

test("a server that cannot be reached is given up after a few first attempts", async () => {
  const client = Conclave.join({ url: "wss://here/ws", room: ROOM }, world.environment);
  for (let attempt = 0; attempt < 10 && phase(client) !== "closed"; attempt += 1) {
    world.socket.handlers.closed(1006);
    await vi.advanceTimersByTimeAsync(15_000);
  }
  expect(client.state).toMatchObject({ phase: "closed", code: "unreachable" });
  expect(world.sockets.length).toBe(4);
});

test("the end for everyone is answered by the end", async () => {
  const client = joinIn();
  const end = client.end();
  world.socket.say({ type: "closed", code: "ended", text: "Over." });
  await expect(end).resolves.toBeUndefined();
  const refused = joinIn().end();
  world.socket.answer("end", { refused: "not_allowed" });
  await expect(refused).rejects.toMatchObject({ code: "not_allowed" });
});

test("leaving is told to the server and does not wait for ever", async () => {
  const client = joinIn();
  client.leave();
  expect(world.socket.types()).toContain("leave");
  expect(world.secrets.has(ROOM)).toBe(false);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(client.state).toMatchObject({ phase: "closed", code: "left", wasIn: true });
});

test("a draining server is come back to", async () => {
  const client = joinIn();
  world.socket.say({ type: "closed", code: "draining", text: "" });
  world.socket.handlers.closed(4012);
  expect(client.state).toMatchObject({ phase: "admitted", link: "lost" });
  await reopen();
  expect(world.socket.types()).toEqual(["resume"]);
});

test("a restarted server holds no place to come back to: the client joins again, with the password that it was given", async () => {
  const client = join("bakidu");
  world.socket.say({ type: "admitted", room: roomView(), resume: "secret-1", seq: 3 });
  world.socket.handlers.closed(1006);
  await reopen();
  expect(world.socket.types()).toEqual(["resume"]);
  world.socket.say({ type: "closed", code: "restarted", text: "Join again." });
  expect(phase(client)).toBe("connecting");
  expect(world.transport.closed).toBe(true);
  await reopen();
  expect(world.socket.sent[0]?.request).toEqual({ type: "join", room: ROOM, password: "bakidu" });
  world.socket.say({ type: "waiting" });
  expect(client.state).toMatchObject({ phase: "waiting", sentBack: false, restarted: true });
});

test("the close code of a restart is enough, and a first answer that the server is stopping yet does not hide it", async () => {
  const client = joinIn();
  world.socket.handlers.closed(4012);
  await reopen();
  world.socket.handlers.closed(4012);
  await reopen();
  world.socket.handlers.closed(4014);
  await reopen();
  expect(world.socket.types()).toEqual(["join"]);
  world.socket.say({ type: "admitted", room: roomView(), resume: "secret-2", seq: 0 });
  expect(client.state).toMatchObject({ phase: "admitted", link: "up", local: {} });
});

test("a server that stops and runs on excuses no end of the place", async () => {
  const client = joinIn();
  world.socket.say({ type: "closed", code: "draining", text: "" });
  await reopen();
  world.socket.say({ type: "closed", code: "cannot_resume", text: "Too long." });
  expect(client.state).toMatchObject({ phase: "closed", code: "cannot_resume" });
});

test("a silent connection is probed and given up", async () => {
  const client = joinIn();
  await vi.advanceTimersByTimeAsync(30_000);
  expect(world.sockets[0]?.types()).toContain("view");
  expect(world.sockets[0]?.closed).toBe(true);
  expect(world.sockets.length).toBeGreaterThan(1);
  expect(client.state).toMatchObject({ phase: "admitted", link: "lost" });
});

test("frames that are no messages are left alone", () => {
  const client = joinIn();
  for (const frame of ["", "null", "[]", '{"type":"event"}', '{"type":"reply","id":1}', '{"type":"other"}']) world.socket.handlers.frame(frame);
  expect(client.state).toMatchObject({ phase: "admitted", link: "up" });
});

test("an attempt that nothing comes of is given up, and the next one begins", async () => {
  const client = joinIn();
  world.socket.handlers.closed(1006);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(world.sockets.length).toBe(2);
  // The path swallows the packets: the browser says nothing for minutes.
  await vi.advanceTimersByTimeAsync(25_000);
  expect(world.sockets.length).toBe(3);
  expect(world.sockets[1]?.closed).toBe(true);
  world.socket.open();
  expect(world.socket.types()).toEqual(["resume"]);
  await vi.advanceTimersByTimeAsync(25_000);
  expect(world.sockets.length).toBe(4);
  expect(client.state).toMatchObject({ phase: "admitted", link: "lost" });
});

test("a first attempt without an end counts as one that failed", async () => {
  const client = Conclave.join({ url: "wss://here/ws", room: ROOM }, world.environment);
  await vi.advanceTimersByTimeAsync(120_000);
  expect(world.sockets.length).toBe(4);
  expect(client.state).toMatchObject({ phase: "closed", code: "unreachable" });
});

test("who is in, or waits, is not disturbed by the deadline of the attempt", async () => {
  const client = join();
  world.socket.say({ type: "waiting" });
  await vi.advanceTimersByTimeAsync(60_000);
  expect([phase(client), world.sockets.length]).toEqual(["waiting", 1]);
});

test("the question whether the session still holds has the attempt's deadline, and its late answer is not heard", async () => {
  let answer: ((signedIn: boolean) => void) | undefined;
  world.environment.signedIn = () => new Promise((resolve) => (answer ??= resolve));
  const client = joinIn();
  world.socket.handlers.closed(1006);
  await vi.advanceTimersByTimeAsync(1_000);
  world.socket.handlers.closed(1006);
  await vi.advanceTimersByTimeAsync(17_500);
  expect(world.sockets.length).toBe(2);
  answer?.(false);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(world.sockets.length).toBe(3);
  expect(client.state).toMatchObject({ phase: "admitted", link: "lost" });
});

test("when the network comes back an attempt that began before is replaced, and a fresh one is left to itself", async () => {
  const client = joinIn();
  world.socket.handlers.closed(1006);
  await vi.advanceTimersByTimeAsync(1_000);
  client.nudge();
  expect(world.sockets.length).toBe(2);
  await vi.advanceTimersByTimeAsync(2_000);
  client.nudge();
  client.nudge();
  expect(world.sockets.length).toBe(3);
  expect(world.sockets[1]?.closed).toBe(true);
});

/** Waits, and then the network changes: the first knock's connection and the one that is tried beside it. */
async function doubt(): Promise<{ client: Conclave; first: FakeSocket; beside: FakeSocket }> {
  const client = join("bakidu");
  world.socket.say({ type: "waiting" });
  const first = world.socket;
  await vi.advanceTimersByTimeAsync(30_000);
  client.networkChanged();
  await vi.advanceTimersByTimeAsync(2_000);
  const beside = world.socket;
  beside.open();
  return { client, first, beside };
}

test("who waits knocks beside their first knock when the network changed, since that cannot be asked whether it stands", async () => {
  const { client, first, beside } = await doubt();
  expect(world.sockets.length).toBe(2);
  expect(beside.sent[0]?.request).toEqual({ type: "join", room: ROOM, password: "bakidu" });
  expect([first.closed, phase(client)]).toEqual([false, "waiting"]);
  // The server had dropped the first one.
  beside.say({ type: "waiting" });
  expect([first.closed, phase(client)]).toEqual([true, "waiting"]);
  first.handlers.closed(1006);
  await vi.advanceTimersByTimeAsync(60_000);
  expect([world.sockets.length, phase(client)]).toEqual([2, "waiting"]);
  beside.say({ type: "admitted", room: roomView(), resume: "s", seq: 0 });
  expect(phase(client)).toBe("admitted");
  expect(first.types()).toEqual(["join"]);
});

test("a knock that lived through the change keeps its place", async () => {
  const { client, first } = await doubt();
  const since = client.state.phase === "waiting" ? client.state.since : 0;
  for (let round = 0; round < 8; round += 1) {
    if (!world.socket.closed && world.socket !== first) {
      if (world.socket.sent.length === 0) world.socket.open();
      world.socket.say({ type: "closed", code: "already_here", text: "Here." });
      world.socket.handlers.closed(4005);
    }
    await vi.advanceTimersByTimeAsync(10_000);
  }
  const tried = world.sockets.length;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(world.sockets.length).toBe(tried);
  expect(client.state).toMatchObject({ phase: "waiting", since });
  expect([first.closed, first.types()]).toEqual([false, ["join"]]);
  first.say({ type: "admitted", room: roomView(), resume: "s", seq: 0 });
  expect(phase(client)).toBe("admitted");
});

test("a first knock that is the ghost on the server for a while is followed by the next one", async () => {
  const { client, first, beside } = await doubt();
  beside.say({ type: "closed", code: "already_here", text: "Here." });
  beside.handlers.closed(4005);
  await vi.advanceTimersByTimeAsync(10_000);
  expect([world.sockets.length, phase(client)]).toEqual([3, "waiting"]);
  world.socket.open();
  world.socket.say({ type: "admitted", room: roomView(), resume: "s", seq: 0 });
  expect([first.closed, phase(client)]).toEqual([true, "admitted"]);
});

test("where nothing answers beside it the first knock is given up too", async () => {
  const { client, first } = await doubt();
  await vi.advanceTimersByTimeAsync(60_000);
  expect([first.closed, phase(client)]).toEqual([true, "connecting"]);
});

test("one knock that a busy server turned away gives nothing up", async () => {
  const { client, first } = await doubt();
  await vi.advanceTimersByTimeAsync(33_000);
  expect([first.closed, phase(client)]).toEqual([false, "waiting"]);
  world.socket.open();
  world.socket.say({ type: "closed", code: "already_here", text: "Here." });
  world.socket.handlers.closed(4005);
  const tried = world.sockets.length;
  await vi.advanceTimersByTimeAsync(60_000);
  expect([world.sockets.length, first.closed, phase(client)]).toEqual([tried, false, "waiting"]);
});

test("those who lost the same server or line at once do not knock at once", async () => {
  const chances = [0.25, 0.75, 0];
  world.environment.random = () => chances.shift() ?? 0;
  const client = join();
  world.socket.say({ type: "waiting" });
  client.networkChanged();
  await vi.advanceTimersByTimeAsync(499);
  expect(world.sockets.length).toBe(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(world.sockets.length).toBe(2);
  await vi.advanceTimersByTimeAsync(9_499);
  expect(world.sockets.length).toBe(2);
  await vi.advanceTimersByTimeAsync(1);
  expect(world.sockets.length).toBe(3);
  await vi.advanceTimersByTimeAsync(8_000);
  expect(world.sockets.length).toBe(4);
});

test("who is let in, or changes lines, before the knock beside was made makes one at most", async () => {
  const client = join();
  world.socket.say({ type: "waiting" });
  client.networkChanged();
  await vi.advanceTimersByTimeAsync(1_000);
  client.networkChanged();
  await vi.advanceTimersByTimeAsync(2_000);
  expect(world.sockets.length).toBe(2);
  client.networkChanged();
  world.sockets[0]?.say({ type: "admitted", room: roomView(), resume: "s", seq: 0 });
  await vi.advanceTimersByTimeAsync(3_000);
  expect([world.sockets.length, phase(client)]).toEqual([2, "admitted"]);
});

test("being let in by the first knock ends the second, and so does leaving", async () => {
  const { client, first, beside } = await doubt();
  first.say({ type: "admitted", room: roomView(), resume: "s", seq: 0 });
  expect(beside.closed).toBe(true);
  beside.say({ type: "closed", code: "already_here", text: "Here." });
  expect(phase(client)).toBe("admitted");
  world = new World();
  const other = await doubt();
  other.client.leave();
  expect(other.beside.closed).toBe(true);
  expect(other.first.types()).toEqual(["join", "leave"]);
  await vi.advanceTimersByTimeAsync(30_000);
  expect(other.client.state).toMatchObject({ phase: "closed", code: "left" });
});

test("after a sleep of the device who waits makes sure as well, and not by the slow clock of a hidden page", async () => {
  join();
  world.socket.say({ type: "waiting" });
  for (let minute = 0; minute < 5; minute += 1) {
    vi.setSystemTime(Date.now() + 55_000);
    await vi.advanceTimersByTimeAsync(5_000);
  }
  expect(world.sockets.length).toBe(1);
  vi.setSystemTime(Date.now() + 90_000);
  await vi.advanceTimersByTimeAsync(7_000);
  expect(world.sockets.length).toBe(2);
});
