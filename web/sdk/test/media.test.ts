// Own tracks and the transport: cuts stop the track, nothing starts by itself, a failed transport is replaced.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Conclave } from "../src/conclave";
import type { SourceStates } from "../src/generated/SourceStates";
import { fakeTrack, participant, ROOM, roomView, World, YOU, type FakeTrack } from "./fakes";

let world: World;
let client: Conclave;
let seq = 0;

beforeEach(() => {
  vi.useFakeTimers();
  world = new World();
  seq = 0;
});

afterEach(() => {
  vi.useRealTimers();
});

async function settle(): Promise<void> {
  await vi.advanceTimersByTimeAsync(0);
}

async function enter(sources: Partial<SourceStates> = {}): Promise<void> {
  client = Conclave.join({ url: "wss://here/ws", room: ROOM }, world.environment);
  world.socket.open();
  world.socket.say({ type: "admitted", room: roomView(participant(YOU, sources)), resume: "s", seq: 0 });
  await settle();
  world.socket.answer("offer", { sdp: "answer" });
  await settle();
}

function tell(event: Parameters<typeof world.socket.event>[1]): void {
  seq += 1;
  world.socket.event(seq, event);
}

function ownSources(sources: Partial<SourceStates>): void {
  tell({ type: "participant_changed", participant: participant(YOU, sources) });
}

async function speak(): Promise<FakeTrack> {
  const track = fakeTrack("audio");
  const on = client.turnOn("microphone", track);
  world.socket.answer("publish", "done");
  await on;
  ownSources({ microphone: "on" });
  return track;
}

async function comeBack(kind: "resumed" | "admitted", sources: Partial<SourceStates>): Promise<void> {
  world.socket.handlers.closed(1006);
  await vi.advanceTimersByTimeAsync(1_000);
  world.socket.open();
  if (kind === "resumed") world.socket.say({ type: "resumed", resume: "s2" });
  else world.socket.say({ type: "admitted", room: roomView(participant(YOU, sources)), resume: "s2", seq });
  await settle();
}

test("the transport is offered once when admitted, with what each section carries", async () => {
  await enter();
  expect(world.transports.length).toBe(1);
  expect(world.socket.last("offer").request).toMatchObject({ sdp: "v=0", sources: [{ mid: "0", source: "microphone" }] });
  expect(world.transport.answered).toBe("answer");
  world.transport.changed("connected");
  expect(client.state).toMatchObject({ media: "connected" });
});

test("a source is sent only after the server has permitted it", async () => {
  await enter();
  const track = fakeTrack("audio");
  const on = client.turnOn("microphone", track);
  await settle();
  expect(world.transport.sending.get("microphone")).toBeUndefined();
  world.socket.answer("publish", "done");
  await on;
  expect(world.transport.sending.get("microphone")).toBe(track);
  expect(client.state).toMatchObject({ local: { microphone: track } });
});

test("a refused source is stopped and never sent", async () => {
  await enter();
  const track = fakeTrack("audio");
  const on = client.turnOn("microphone", track);
  world.socket.answer("publish", { refused: "not_allowed" });
  await expect(on).rejects.toMatchObject({ code: "not_allowed" });
  expect(track.stopped).toBe(true);
  expect(world.transport.sending.size).toBe(0);
});

test("turning off stops the track before the server answers", async () => {
  await enter();
  const track = await speak();
  const off = client.turnOff("microphone");
  expect(track.stopped).toBe(true);
  await settle();
  expect(world.transport.sending.get("microphone")).toBeNull();
  world.socket.answer("publish", "done");
  await off;
  expect(world.socket.last("publish").request).toEqual({ type: "publish", source: "microphone", on: false });
});

test("a mute by a host stops the own track", async () => {
  await enter();
  const track = await speak();
  const stopped = vi.fn();
  client.on("stopped", stopped);
  tell({ type: "done_to_you", what: { act: "muted" }, by: "Host" });
  ownSources({ microphone: "withdrawn" });
  await settle();
  expect(track.stopped).toBe(true);
  expect(world.transport.sending.get("microphone")).toBeNull();
  expect(stopped).toHaveBeenCalledExactlyOnceWith({ source: "microphone", cause: "moderator" });
});

test("giving a right back starts nothing", async () => {
  await enter();
  await speak();
  tell({ type: "done_to_you", what: { act: "muted" }, by: "Host" });
  ownSources({ microphone: "withdrawn" });
  const published = () => world.socket.types().filter((type) => type === "publish").length;
  const before = published();
  tell({ type: "done_to_you", what: { act: "allowed", source: "microphone" }, by: "Host" });
  ownSources({ microphone: "off" });
  await vi.advanceTimersByTimeAsync(5_000);
  expect(published()).toBe(before);
  expect(world.transport.sending.get("microphone")).toBeNull();
  expect(client.state).toMatchObject({ local: {} });
});

test("stopping a share stops its picture and its sound", async () => {
  await enter({ screen: "off", screen_audio: "off" });
  const picture = fakeTrack("video");
  const sound = fakeTrack("audio");
  for (const [source, track] of [["screen", picture], ["screen_audio", sound]] as const) {
    const on = client.turnOn(source, track);
    world.socket.answer("publish", "done");
    await on;
  }
  tell({ type: "done_to_you", what: { act: "share_stopped" }, by: "Host" });
  await settle();
  expect([picture.stopped, sound.stopped]).toEqual([true, true]);
});

test.each([
  [{ act: "muted" }, "microphone"],
  [{ act: "video_paused" }, "camera"],
  [{ act: "disallowed", source: "microphone" }, "microphone"],
] as const)("the words %o alone stop the track", async (what, source) => {
  await enter();
  const track = fakeTrack(source === "camera" ? "video" : "audio");
  const on = client.turnOn(source, track);
  world.socket.answer("publish", "done");
  await on;
  tell({ type: "done_to_you", what, by: "Host" });
  expect(track.stopped).toBe(true);
});

test("a line that shows a right gone stops the track even without words", async () => {
  await enter();
  const track = await speak();
  ownSources({ microphone: "not_allowed" });
  expect(track.stopped).toBe(true);
});

test("a device that ends is told to the server", async () => {
  await enter();
  const track = await speak();
  track.onended?.call(track, new Event("ended"));
  await settle();
  expect(world.socket.last("publish").request).toEqual({ type: "publish", source: "microphone", on: false });
});

test("a track that ended before the server's word came is not on", async () => {
  await enter();
  const stopped = vi.fn();
  client.on("stopped", stopped);
  const track = fakeTrack("audio");
  const on = client.turnOn("microphone", track);
  Object.assign(track, { readyState: "ended" });
  world.socket.answer("publish", "done");
  await on;
  await settle();
  expect(client.state).toMatchObject({ local: {} });
  expect(world.transport.sending.get("microphone") ?? null).toBeNull();
  expect(world.socket.last("publish").request).toEqual({ type: "publish", source: "microphone", on: false });
  expect(stopped).toHaveBeenCalledExactlyOnceWith({ source: "microphone", cause: "device" });
});

test("a device that ended while it was chosen turns its source off", async () => {
  await enter();
  await speak();
  await client.swap("microphone", Object.assign(fakeTrack("audio"), { readyState: "ended" as const }));
  await settle();
  expect(client.state).toMatchObject({ local: {} });
  expect(world.transport.sending.get("microphone")).toBeNull();
  expect(world.socket.last("publish").request).toEqual({ type: "publish", source: "microphone", on: false });
});

test("where no transport can be made it is said, and nothing is turned on", async () => {
  world.environment.transport = () => {
    throw new TypeError("not here");
  };
  client = Conclave.join({ url: "wss://here/ws", room: ROOM }, world.environment);
  world.socket.open();
  world.socket.say({ type: "admitted", room: roomView(), resume: "s", seq: 0 });
  await settle();
  expect(client.state).toMatchObject({ phase: "admitted", media: "impossible" });
  const track = fakeTrack("audio");
  await expect(client.turnOn("microphone", track)).rejects.toMatchObject({ code: "unavailable" });
  expect(track.stopped).toBe(true);
  expect(world.socket.types()).not.toContain("publish");
  // Nothing is tried by itself, and what the person tries may go well.
  await vi.advanceTimersByTimeAsync(60_000);
  expect(client.state).toMatchObject({ media: "impossible" });
  expect(await client.retryMedia()).toBe(false);
  expect(client.state).toMatchObject({ media: "impossible" });
});

test("where none could be made the person may try again", async () => {
  const { transport } = world.environment;
  let allowed = false;
  world.environment.transport = (...made) => {
    if (!allowed) throw new TypeError("not here");
    return transport(...made);
  };
  client = Conclave.join({ url: "wss://here/ws", room: ROOM }, world.environment);
  world.socket.open();
  world.socket.say({ type: "admitted", room: roomView(), resume: "s", seq: 0 });
  await settle();
  expect(client.state).toMatchObject({ media: "impossible" });
  allowed = true;
  const taken = client.retryMedia();
  await settle();
  world.socket.answer("offer", { sdp: "answer" });
  // It is taken up before anything has got through.
  expect(await taken).toBe(true);
  expect(client.state).toMatchObject({ media: "impossible" });
  world.transport.changed("connected");
  expect(client.state).toMatchObject({ media: "connected" });
  expect(await client.retryMedia()).toBe(true);
  expect(world.transports.length).toBe(1);
});

test("an offer that the server refuses is said as that, until one is taken", async () => {
  client = Conclave.join({ url: "wss://here/ws", room: ROOM }, world.environment);
  world.socket.open();
  world.socket.say({ type: "admitted", room: roomView(), resume: "s", seq: 0 });
  await settle();
  const said: string[] = [];
  client.on("state", (state) => state.phase === "admitted" && said.push(state.media));
  for (let times = 0; times < 2; times += 1) {
    world.socket.answer("offer", { refused: "invalid_offer" });
    await settle();
    await vi.advanceTimersByTimeAsync(1_000);
  }
  expect(world.transports.length).toBe(3);
  expect(new Set(said)).toEqual(new Set(["refused"]));
  world.socket.answer("offer", { sdp: "answer" });
  await settle();
  world.transport.changed("connected");
  expect(client.state).toMatchObject({ media: "connected" });
});

test("a fault of the server is not said to be the browser's", async () => {
  client = Conclave.join({ url: "wss://here/ws", room: ROOM }, world.environment);
  world.socket.open();
  world.socket.say({ type: "admitted", room: roomView(), resume: "s", seq: 0 });
  await settle();
  world.socket.answer("offer", { refused: "unavailable" });
  await settle();
  expect(client.state).toMatchObject({ media: "failed" });
});

test("a transport that outlived a short loss of the socket goes on as it was", async () => {
  await enter();
  world.transport.changed("connected");
  const track = await speak();
  await comeBack("resumed", {});
  expect(world.socket.types()).toEqual(["resume", "view"]);
  world.socket.answer("view", "done");
  await settle();
  expect(track.stopped).toBe(false);
  expect(world.transports.length).toBe(1);
  expect(world.socket.types()).not.toContain("publish");
});

test("a mute that came while away stops the track, and giving the right back starts nothing", async () => {
  await enter();
  world.transport.changed("connected");
  const track = await speak();
  await comeBack("resumed", {});
  tell({ type: "done_to_you", what: { act: "muted" }, by: "Host" });
  ownSources({ microphone: "withdrawn" });
  tell({ type: "done_to_you", what: { act: "allowed", source: "microphone" }, by: "Host" });
  ownSources({ microphone: "off" });
  world.socket.answer("view", "done");
  await vi.advanceTimersByTimeAsync(5_000);
  expect(track.stopped).toBe(true);
  expect(world.socket.types()).not.toContain("publish");
});

test("a transport that went with the socket is offered anew, with nothing on", async () => {
  await enter();
  const track = await speak();
  const stopped = vi.fn();
  client.on("stopped", stopped);
  await comeBack("resumed", {});
  expect(world.transports.length).toBe(2);
  expect(world.transports[0]?.closed).toBe(true);
  expect(track.stopped).toBe(true);
  world.socket.answer("offer", { sdp: "again" });
  ownSources({ microphone: "off" });
  await vi.advanceTimersByTimeAsync(5_000);
  expect(stopped).toHaveBeenCalledExactlyOnceWith({ source: "microphone", cause: "connection" });
  expect(world.transport.sending.size).toBe(0);
});

test("a view that replaces lost events starts with nothing on", async () => {
  await enter();
  world.transport.changed("connected");
  const track = await speak();
  await comeBack("admitted", { microphone: "off" });
  world.socket.answer("offer", { sdp: "again" });
  await settle();
  expect(track.stopped).toBe(true);
  expect(world.socket.types()).not.toContain("publish");
});

test("a reloaded page takes back what the server still holds on", async () => {
  await enter({ camera: "on" });
  expect(world.socket.last("publish").request).toEqual({ type: "publish", source: "camera", on: false });
});

test("a failed transport is replaced, and nothing is sent on the new one by itself", async () => {
  await enter();
  const track = await speak();
  world.transport.changed("failed");
  expect(client.state).toMatchObject({ media: "failed" });
  await vi.advanceTimersByTimeAsync(1_000);
  expect(world.transports.length).toBe(2);
  expect(track.stopped).toBe(true);
  expect(world.transport.sending.size).toBe(0);
});

test("a short gap of the path heals by itself, a long one is replaced", async () => {
  await enter();
  world.transport.changed("connected");
  world.transport.changed("disconnected");
  await vi.advanceTimersByTimeAsync(1_500);
  world.transport.changed("connected");
  await vi.advanceTimersByTimeAsync(9_000);
  expect(world.transports.length).toBe(1);
  // The connection lives meanwhile.
  tell({ type: "count", count: 1 });
  world.transport.changed("disconnected");
  await vi.advanceTimersByTimeAsync(9_000);
  expect(world.transports.length).toBe(2);
});

test("a lost path is looked for anew before the transport is given up, and what is on stays on", async () => {
  await enter();
  const track = await speak();
  world.transport.changed("connected");
  world.transport.changed("disconnected");
  await vi.advanceTimersByTimeAsync(1_000);
  // It may heal by itself.
  expect(world.transport.restarts).toBe(0);
  await vi.advanceTimersByTimeAsync(1_500);
  expect(world.transport.restarts).toBe(1);
  expect(world.socket.last("offer").request).toMatchObject({ restart: true });
  world.socket.answer("offer", { sdp: "elsewhere" });
  await settle();
  expect(world.transport.answered).toBe("elsewhere");
  world.transport.changed("connected");
  await vi.advanceTimersByTimeAsync(20_000);
  expect(world.transports.length).toBe(1);
  expect(track.stopped).toBe(false);
});

test("when the network changes the way is looked for at once, by one offer at a time", async () => {
  await enter();
  client.networkChanged();
  expect(world.transport.restarts).toBe(0);
  world.transport.changed("connected");
  client.networkChanged();
  client.networkChanged();
  await settle();
  expect(world.transport.restarts).toBe(1);
  world.socket.say({ type: "reply", id: world.socket.last("offer").id, error: { code: "invalid_offer", text: "No." } });
  await vi.advanceTimersByTimeAsync(1_000);
  // The server does not know this connection any more.
  expect(world.transports.length).toBe(2);
});

test("when the network changes a connection that is silent is given up at once, and what is on stays on", async () => {
  await enter();
  const track = await speak();
  world.transport.changed("connected");
  client.networkChanged();
  await vi.advanceTimersByTimeAsync(4_000);
  expect(world.sockets.length).toBe(2);
  world.transport.changed("disconnected");
  world.socket.open();
  world.socket.say({ type: "resumed", resume: "s2" });
  await settle();
  expect(world.socket.types()).toEqual(["resume", "view", "offer"]);
  expect(world.socket.last("offer").request).toMatchObject({ restart: true });
  world.socket.answer("offer", { sdp: "elsewhere" });
  world.socket.answer("view", "done");
  await settle();
  world.transport.changed("connected");
  await vi.advanceTimersByTimeAsync(5_000);
  expect([world.transports.length, track.stopped]).toEqual([1, false]);
});

test("a path that is lost with the connection is looked for when the connection is back, however late", async () => {
  await enter();
  const track = await speak();
  world.transport.changed("connected");
  world.transport.changed("disconnected");
  await vi.advanceTimersByTimeAsync(1_000);
  world.socket.handlers.closed(1006);
  await vi.advanceTimersByTimeAsync(15_000);
  world.transport.changed("failed");
  await vi.advanceTimersByTimeAsync(1_000);
  world.socket.open();
  world.socket.say({ type: "resumed", resume: "s2" });
  await settle();
  expect(world.socket.last("offer").request).toMatchObject({ restart: true });
  expect([world.transports.length, track.stopped]).toEqual([1, false]);
  world.transport.changed("connecting");
  // Nothing is found: only now it is replaced.
  await vi.advanceTimersByTimeAsync(7_000);
  expect([world.transports.length, track.stopped]).toEqual([2, true]);
});

test("the way that a lost connection kept from being looked for is looked for later, also where the path seems to hold", async () => {
  await enter();
  world.transport.changed("connected");
  client.networkChanged();
  await comeBack("resumed", {});
  expect(world.socket.types()).toEqual(["resume", "view", "offer"]);
  world.socket.answer("offer", { sdp: "elsewhere" });
  await vi.advanceTimersByTimeAsync(9_000);
  expect(world.transports.length).toBe(1);
  await comeBack("resumed", {});
  expect(world.socket.types()).toEqual(["resume", "view"]);
});

test("a change of the network that the connection lives through leaves it alone", async () => {
  await enter();
  world.transport.changed("connected");
  client.networkChanged();
  await settle();
  world.socket.answer("view", "done");
  await vi.advanceTimersByTimeAsync(8_000);
  expect([world.sockets.length, client.state]).toMatchObject([1, { link: "up" }]);
});

test("slots give the tracks of others, by participant and source", async () => {
  await enter();
  const changed = vi.fn();
  client.on("tracks", changed);
  tell({
    type: "slots",
    slots: [
      { mid: "a4", participant: "member", source: "microphone" },
      { mid: "v12", participant: "member", source: "camera" },
    ],
  });
  expect(changed).toHaveBeenCalled();
  expect(client.track("member", "camera")?.id).toBe("v12");
  expect(client.track("member", "screen")).toBeNull();
  expect(client.audio().map((slot) => slot.mid)).toEqual(["a4"]);
});

test("the end stops every own track and the transport", async () => {
  await enter();
  const track = await speak();
  world.socket.say({ type: "closed", code: "removed", text: "" });
  expect(track.stopped).toBe(true);
  expect(world.transport.closed).toBe(true);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(world.sockets.length).toBe(1);
});

test("what the server says of layers reaches the transport, and so do the preferences", async () => {
  await enter();
  tell({ type: "layers", source: "camera", encodings: [{ rid: "q", active: true }, { rid: "h", active: false }] });
  expect(world.transport.wanted.get("camera")).toEqual([{ rid: "q", active: true }, { rid: "h", active: false }]);
  client.prefer({ send: 360, receive: 180, codec: "vp9" });
  await vi.advanceTimersByTimeAsync(200);
  expect(world.transport.preferences).toMatchObject({ send: 360 });
  expect(world.socket.last("view").request).toMatchObject({ receive: { max_height: 180 } });
  // The codec holds from the next transport on.
  world.transport.changed("failed");
  await vi.advanceTimersByTimeAsync(1_000);
  expect(world.transports.length).toBe(2);
  expect(world.transport.preferences).toMatchObject({ codec: "vp9" });
});

test("the connection is measured every five seconds and told to the server, from the second look on", async () => {
  await enter();
  const measured = vi.fn();
  client.on("quality", measured);
  await vi.advanceTimersByTimeAsync(6_000);
  expect(measured).not.toHaveBeenCalled();
  world.transport.changed("connected");
  await vi.advanceTimersByTimeAsync(5_000);
  expect(measured).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(5_000);
  expect(measured).toHaveBeenCalledOnce();
  expect(world.socket.last("report_quality").request).toMatchObject({ report: { sent: [], received: [] } });
  world.socket.say({ type: "closed", code: "removed", text: "" });
  await vi.advanceTimersByTimeAsync(30_000);
  expect(measured).toHaveBeenCalledOnce();
});

test("a relay is used with the credentials of the admission first, and with fresh ones for every later transport", async () => {
  client = Conclave.join({ url: "wss://here/ws", room: ROOM }, world.environment);
  world.socket.open();
  const relay = (username: string) => ({ urls: ["turns:turn.example.org"], username, credential: "c", expires_in: 600 });
  world.socket.say({ type: "admitted", room: roomView(participant(YOU)), resume: "s", seq: 0, ice_servers: [relay("first")] });
  await settle();
  expect(world.transport.iceServers).toEqual([{ urls: ["turns:turn.example.org"], username: "first", credential: "c" }]);
  world.transport.changed("failed");
  await vi.advanceTimersByTimeAsync(1_500);
  expect(world.transports.length).toBe(1);
  world.socket.say({ type: "reply", id: world.socket.last("ice_servers").id, ok: { type: "ice_servers", ice_servers: [relay("second")] } });
  await settle();
  expect(world.transports.length).toBe(2);
  expect(world.transport.iceServers[0]).toMatchObject({ username: "second" });
});

test("without a relay nothing is asked for before a new transport", async () => {
  await enter();
  world.transport.changed("failed");
  await vi.advanceTimersByTimeAsync(1_500);
  expect(world.transports.length).toBe(2);
  expect(world.transport.iceServers).toEqual([]);
  expect(world.socket.types()).not.toContain("ice_servers");
});
