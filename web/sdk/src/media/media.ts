// The life of the media transport of one participant: offered when admitted, offered anew when it fails. A new transport starts
// with every own source off, here as on the server; it turns nothing on by itself.

import { Backoff } from "../backoff";
import { CallFailed } from "../failure";
import type { Done } from "../generated/Done";
import type { EncodingView } from "../generated/EncodingView";
import type { QualityReport } from "../generated/QualityReport";
import type { IceServer } from "../generated/IceServer";
import type { RoomRequest } from "../generated/RoomRequest";
import type { SlotView } from "../generated/SlotView";
import type { Source } from "../generated/Source";
import { NO_PREFERENCES, type MediaPreferences } from "./preferences";
import { reportOf, type Snapshot } from "./quality";
import { kindOf } from "./sources";
import { Step } from "./step";
import type { MakeTransport, Transport } from "./transport";

const OFFER_TIMEOUT_MS = 12_000;
/** A transport that lost its path for this long looks for another one; shorter gaps heal by themselves. */
const PATIENCE_MS = 2_000;
/** One that found none by then is replaced. */
const HEALED_WITHIN_MS = 6_000;
/** How often pictures and sound are brought into step. */
const STEP_MS = 1_000;

/**
 * `failed`: another transport is offered in a moment. `refused`: the same, after the server would not take the one before.
 * `impossible`: none could even be made here, and none is tried before the person asks for it or the room is entered again.
 */
export type MediaStatus = "connecting" | "connected" | "failed" | "refused" | "impossible";

export interface MediaHandlers {
  call(request: RoomRequest, timeoutMs: number): Promise<Done>;
  status(status: MediaStatus): void;
  /** A transport is about to be offered: nothing own is sent on it yet. */
  fresh(): void;
  /** The tracks behind the slots changed. */
  tracks(): void;
  /** An answer arrived: everything the server said before it has been heard. */
  answered(): void;
}

export interface AudioSlot {
  mid: string;
  track: MediaStreamTrack;
}

export class Media {
  readonly #make: MakeTransport;
  readonly #handlers: MediaHandlers;
  readonly #backoff: Backoff;
  #transport: Transport | null = null;
  #slots: SlotView[] = [];
  #preferences: MediaPreferences;
  #looked: Snapshot | null = null;
  #step = new Step();
  #restarting = false;
  /** A restart of this outage was tried. */
  #healing = false;
  /** No packets get through, by the browser's own word. */
  #pathLost = false;
  /** The link was too broken to carry a restart. */
  #owed = false;
  #impossible = false;
  #stepping: ReturnType<typeof setInterval> | undefined;
  #connected = false;
  #relays: IceServer[] = [];
  /** Whether a transport was made with these relays: the next one wants fresh credentials. */
  #relaysUsed = false;
  #renewal = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;

  constructor(make: MakeTransport, handlers: MediaHandlers, preferences: MediaPreferences = NO_PREFERENCES, random?: () => number) {
    this.#make = make;
    this.#handlers = handlers;
    this.#preferences = preferences;
    this.#backoff = new Backoff(random);
  }

  /** Relays that came with the admission. */
  relays(relays: IceServer[]): void {
    this.#relays = relays;
    this.#relaysUsed = false;
  }

  /** Offers a new transport in place of any old one. */
  async start(): Promise<void> {
    this.#handlers.status("connecting");
    await this.#begin();
  }

  /** The person wants another try now; until it goes well, what is wrong stays said. One that goes on is left alone. Whether it came to anything. */
  async retry(): Promise<boolean> {
    return this.#connected || this.#begin();
  }

  /** Whether the server took up the transport; it may still not get through. */
  async #begin(): Promise<boolean> {
    this.#drop();
    this.#handlers.fresh();
    if (this.#relaysUsed && this.#relays.length > 0 && !(await this.#renewed())) return false;
    this.#relaysUsed = true;
    const iceServers = this.#relays.map(({ urls, username, credential }) => ({ urls, username, credential }));
    const transport = this.#made(iceServers);
    if (transport === null) return false;
    this.#transport = transport;
    try {
      const offer = await transport.offer();
      const done = await this.#handlers.call({ type: "offer", ...offer }, OFFER_TIMEOUT_MS);
      // Another one is under way.
      if (this.#transport !== transport || done.type !== "answer") return true;
      await transport.answer(done.sdp);
    } catch (failure) {
      // A lost connection is not the transport's fault: the link starts media again when it is back.
      if (this.#transport === transport && !(failure instanceof CallFailed && failure.code === "unreachable")) this.#again(isRefusal(failure) ? "refused" : "failed");
      return false;
    }
    this.#handlers.tracks();
    this.#handlers.answered();
    return true;
  }

  /** A transport could not even be made: the browser has none, or may not, or the relays make no sense to it. */
  get impossible(): boolean {
    return this.#impossible;
  }

  /** The network changed: the same transport looks for its way anew. What is on stays on. */
  async restart(): Promise<void> {
    const transport = this.#transport;
    if (transport === null || !this.#connected || this.#restarting) return;
    this.#restarting = true;
    try {
      const offer = await transport.offer(true);
      const done = await this.#handlers.call({ type: "offer", ...offer, restart: true }, OFFER_TIMEOUT_MS);
      if (this.#transport === transport && done.type === "answer") await transport.answer(done.sdp);
    } catch (failure) {
      if (this.#transport !== transport || !(failure instanceof CallFailed)) return;
      // The server knows this connection no more, or its offer cannot be answered: only a new one helps.
      if (failure.code === "invalid_offer") this.#again();
      if (failure.code === "unreachable") this.#postpone();
    } finally {
      this.#restarting = false;
    }
  }

  /** The link is back, and this participant's place with it. False when there is no transport that could go on. */
  takeUp(): boolean {
    if (!this.#connected) return false;
    const owed = this.#owed;
    this.#owed = false;
    // One that is being healed, or replaced, has its time running.
    if (this.#pathLost && !this.#healing) this.#heal();
    else if (owed) void this.restart();
    return true;
  }

  async send(source: Source, track: MediaStreamTrack | null): Promise<void> {
    await this.#transport?.send(source, track);
  }

  /** Which encodings of an own source anybody wants. */
  async layers(source: Source, encodings: readonly EncodingView[]): Promise<void> {
    await this.#transport?.layers(source, encodings);
  }

  async prefer(preferences: MediaPreferences): Promise<void> {
    this.#preferences = preferences;
    await this.#transport?.prefer(preferences);
  }

  /** What happened since the last time that this was asked; null when there is nothing to compare with. */
  async report(): Promise<QualityReport | null> {
    const transport = this.#transport;
    if (transport === null || !this.#connected) return null;
    const now = await transport.stats();
    if (this.#transport !== transport) return null;
    const report = reportOf(this.#looked, now, this.#slots);
    this.#looked = now;
    return report;
  }

  /** Keeps the pictures of others in step with their sound. */
  async #keepStep(): Promise<void> {
    const transport = this.#transport;
    if (transport === null || !this.#connected || !this.#slots.some((slot) => kindOf(slot.source) === "audio")) return;
    const now = await transport.stats();
    if (this.#transport !== transport) return;
    transport.hold(this.#step.next(now, this.#slots));
  }

  slots(slots: SlotView[]): void {
    this.#slots = slots;
    this.#handlers.tracks();
  }

  /** The server says that its end is gone. While an own offer is under way that is news of the old transport. */
  closedByServer(): void {
    if (this.#connected && !this.#pathLost && this.#retry === undefined) this.#again();
  }

  track(participant: string, source: Source): MediaStreamTrack | null {
    const slot = this.#slots.find((s) => s.participant === participant && s.source === source);
    return slot === undefined ? null : (this.#transport?.slotTrack(slot.mid) ?? null);
  }

  /** The audio slots that carry something now. */
  audio(): AudioSlot[] {
    const slots: AudioSlot[] = [];
    for (const slot of this.#slots) {
      const track = this.#transport?.slotTrack(slot.mid) ?? null;
      if (track?.kind === "audio") slots.push({ mid: slot.mid, track });
    }
    return slots;
  }

  stop(): void {
    this.#drop();
    this.#handlers.tracks();
  }

  /** Asks for fresh credentials; false when another start has overtaken this one, or the link is down and will start anew. */
  async #renewed(): Promise<boolean> {
    const renewal = (this.#renewal += 1);
    try {
      const done = await this.#handlers.call({ type: "ice_servers" }, OFFER_TIMEOUT_MS);
      if (done.type === "ice_servers" && renewal === this.#renewal) this.#relays = done.ice_servers;
    } catch (failure) {
      if (renewal === this.#renewal && !(failure instanceof CallFailed && failure.code === "unreachable")) this.#again();
      return false;
    }
    return renewal === this.#renewal;
  }

  /** Null where there is none to be had. Another try would end the same way, so it is not made before the room is entered or come back to. */
  #made(iceServers: RTCIceServer[]): Transport | null {
    try {
      const transport = this.#make((state) => {
        if (this.#transport === transport) this.#changed(state);
      }, iceServers, this.#preferences);
      this.#impossible = false;
      return transport;
    } catch {
      this.#impossible = true;
      this.#handlers.status("impossible");
      return null;
    }
  }

  #changed(state: RTCPeerConnectionState): void {
    // It looks for its way: the time that it has for that goes on.
    if (state === "connecting" && this.#healing) return;
    this.#pathLost = state === "disconnected" || state === "failed";
    clearTimeout(this.#retry);
    this.#retry = undefined;
    switch (state) {
      case "connected":
        this.#connected = true;
        this.#healing = false;
        clearInterval(this.#stepping);
        this.#stepping = setInterval(() => void this.#keepStep().catch(() => undefined), STEP_MS);
        this.#backoff.reset();
        this.#handlers.status("connected");
        return;
      case "disconnected":
        this.#retry = setTimeout(() => this.#heal(), PATIENCE_MS);
        return;
      case "failed":
        this.#heal();
        return;
      case "closed":
        this.#connected = false;
        this.#again();
        return;
      default:
        return;
    }
  }

  /** Looks for another way first, which leaves everything on; when none is found in time the transport is replaced. */
  #heal(): void {
    if (!this.#connected || this.#healing) {
      this.#again();
      return;
    }
    this.#healing = true;
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#again(), HEALED_WITHIN_MS);
    void this.restart();
  }

  /** Nothing can be looked for, nor be given up, before the link is back. */
  #postpone(): void {
    this.#owed = true;
    this.#healing = false;
    clearTimeout(this.#retry);
    this.#retry = undefined;
  }

  #again(why: "failed" | "refused" = "failed"): void {
    this.#handlers.status(why);
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      // What is wrong is said until it is not wrong any more.
      void this.#begin();
    }, this.#backoff.next());
  }

  #drop(): void {
    this.#renewal += 1;
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#connected = false;
    this.#healing = false;
    this.#pathLost = false;
    this.#owed = false;
    this.#slots = [];
    this.#looked = null;
    this.#step = new Step();
    clearInterval(this.#stepping);
    const old = this.#transport;
    this.#transport = null;
    old?.close();
  }
}

/** The server would not have what this browser offers. Any other fault may be its own. */
function isRefusal(failure: unknown): boolean {
  return failure instanceof CallFailed && failure.code === "invalid_offer";
}
