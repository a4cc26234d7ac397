// Stand-ins for the network, the tab and the browser's media, driven by hand from the tests.

import type { Environment } from "../src/environment";
import type { EncodingView } from "../src/generated/EncodingView";
import type { Event as RoomEvent } from "../src/generated/Event";
import type { ParticipantView } from "../src/generated/ParticipantView";
import type { RoomView } from "../src/generated/RoomView";
import type { ServerMessage } from "../src/generated/ServerMessage";
import type { Source } from "../src/generated/Source";
import type { SourceStates } from "../src/generated/SourceStates";
import type { MediaPreferences } from "../src/media/preferences";
import type { Snapshot } from "../src/media/quality";
import type { Transport } from "../src/media/transport";
import type { Socket, SocketHandlers } from "../src/socket";
import type { TabStore } from "../src/tab";

export interface Sent {
  id: number;
  proof?: string;
  request: { type: string } & Record<string, unknown>;
}

export class FakeSocket implements Socket {
  readonly sent: Sent[] = [];
  readonly handlers: SocketHandlers;
  closed = false;

  constructor(handlers: SocketHandlers) {
    this.handlers = handlers;
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text) as Sent);
  }

  close(): void {
    this.closed = true;
  }

  /** The connection stands, and the server gives something to sign. */
  open(): void {
    this.handlers.opened();
    this.say({ type: "challenge", nonce: "nonce" });
  }

  say(message: ServerMessage): void {
    this.handlers.frame(JSON.stringify(message));
  }

  event(seq: number, event: RoomEvent): void {
    this.say({ type: "event", seq, event });
  }

  /** Answers the newest request of this type. */
  answer(type: string, ok: "done" | { sdp: string } | { refused: "not_allowed" | "stale" | "invalid_offer" | "unavailable" }): void {
    const id = this.last(type).id;
    if (ok === "done") this.say({ type: "reply", id, ok: { type: "done" } });
    else if ("sdp" in ok) this.say({ type: "reply", id, ok: { type: "answer", sdp: ok.sdp } });
    else this.say({ type: "reply", id, error: { code: ok.refused, text: "No." } });
  }

  last(type: string): Sent {
    const found = this.sent.findLast((sent) => sent.request.type === type);
    if (found === undefined) throw new Error(`no ${type} was sent, only ${this.types().join(", ")}`);
    return found;
  }

  types(): string[] {
    return this.sent.map((sent) => sent.request.type);
  }
}

export class FakeTransport implements Transport {
  readonly sending = new Map<Source, MediaStreamTrack | null>();
  readonly changed: (state: RTCPeerConnectionState) => void;
  readonly wanted = new Map<Source, readonly EncodingView[]>();
  preferences: MediaPreferences | undefined;
  held: ReadonlyMap<string, number> = new Map();
  snapshot: Snapshot = { lines: new Map(), sources: new Map(), tracks: new Map() };
  readonly iceServers: RTCIceServer[];
  restarts = 0;
  answered: string | null = null;
  closed = false;

  constructor(changed: (state: RTCPeerConnectionState) => void, iceServers: RTCIceServer[], preferences?: MediaPreferences) {
    this.changed = changed;
    this.iceServers = iceServers;
    this.preferences = preferences;
  }

  offer(restart = false): Promise<{ sdp: string; sources: { mid: string; source: Source }[] }> {
    this.restarts += Number(restart);
    return Promise.resolve({ sdp: "v=0", sources: [{ mid: "0", source: "microphone" }] });
  }

  answer(sdp: string): Promise<void> {
    this.answered = sdp;
    return Promise.resolve();
  }

  send(source: Source, track: MediaStreamTrack | null): Promise<void> {
    this.sending.set(source, track);
    return Promise.resolve();
  }

  layers(source: Source, encodings: readonly EncodingView[]): Promise<void> {
    this.wanted.set(source, encodings);
    return Promise.resolve();
  }

  prefer(preferences: MediaPreferences): Promise<void> {
    this.preferences = preferences;
    return Promise.resolve();
  }

  stats(): Promise<Snapshot> {
    return Promise.resolve(this.snapshot);
  }

  hold(times: ReadonlyMap<string, number>): void {
    this.held = times;
  }

  slotTrack(mid: string): MediaStreamTrack | null {
    return fakeTrack(mid.startsWith("a") ? "audio" : "video", mid);
  }

  close(): void {
    this.closed = true;
  }
}

export interface FakeTrack extends MediaStreamTrack {
  stopped: boolean;
}

export function fakeTrack(kind: "audio" | "video", id: string = kind): FakeTrack {
  const track = {
    kind,
    id,
    stopped: false,
    contentHint: "",
    onended: null,
    stop: () => {
      track.stopped = true;
    },
  };
  return track as unknown as FakeTrack;
}

export class World {
  readonly sockets: FakeSocket[] = [];
  readonly transports: FakeTransport[] = [];
  readonly secrets = new Map<string, string>();
  signedIn = true;

  get socket(): FakeSocket {
    const socket = this.sockets.at(-1);
    if (socket === undefined) throw new Error("no socket was opened");
    return socket;
  }

  get transport(): FakeTransport {
    const transport = this.transports.at(-1);
    if (transport === undefined) throw new Error("no transport was made");
    return transport;
  }

  readonly tab: TabStore = {
    read: (room) => this.secrets.get(room) ?? null,
    write: (room, secret) => void this.secrets.set(room, secret),
    forget: (room) => void this.secrets.delete(room),
  };

  readonly environment: Environment = {
    open: (_url, handlers) => {
      const socket = new FakeSocket(handlers);
      this.sockets.push(socket);
      return socket;
    },
    tab: this.tab,
    transport: (changed, iceServers, preferences) => {
      const transport = new FakeTransport(changed, iceServers, preferences);
      this.transports.push(transport);
      return transport;
    },
    signedIn: () => Promise.resolve(this.signedIn),
    prove: (nonce) => `proof of ${nonce}`,
    random: () => 1,
  };
}

export const ROOM = "abcdefghijklmnopqrstuvwxyz";
export const YOU = "youyouyouyouyouyouyouyouyo";

export function participant(id: string, sources: Partial<SourceStates> = {}, more: Partial<ParticipantView> = {}): ParticipantView {
  return {
    participant: id,
    name: id === YOU ? "You" : `Name of ${id}`,
    signed_in: true,
    role: "attendee",
    sources: { microphone: "off", camera: "off", screen: "not_allowed", screen_audio: "not_allowed", ...sources },
    hand: false,
    picture: null,
    connected: true,
    ...more,
  };
}

export function roomView(you: ParticipantView = participant(YOU), more: Partial<RoomView> = {}): RoomView {
  return { room: ROOM, title: "Review", locked: false, you: YOU, participants: [you], settings: [], suspended: false, spotlight: null, may_chat: false, kind: "meeting", pending_profiles: [], captions: { state: "off", running: false, languages: [], engine: null, outside: false, transcript: false }, caption_choice: { language: null, original: false }, ...more };
}
