// The life of the media transport of one participant: offered when admitted, offered anew when it fails or the connection was
// taken up again, and the own tracks carried over. It turns nothing on by itself.

import { Backoff } from "../backoff";
import { CallFailed } from "../failure";
import type { Done } from "../generated/Done";
import type { RoomRequest } from "../generated/RoomRequest";
import type { SlotView } from "../generated/SlotView";
import type { Source } from "../generated/Source";
import type { MakeTransport, Transport } from "./transport";

const OFFER_TIMEOUT_MS = 12_000;
/** A transport that lost its path for this long is replaced; shorter gaps heal by themselves. */
const DISCONNECTED_MS = 6_000;

export type MediaStatus = "connecting" | "connected" | "failed";

export interface MediaHandlers {
  call(request: RoomRequest, timeoutMs: number): Promise<Done>;
  status(status: MediaStatus): void;
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
  readonly #sending = new Map<Source, MediaStreamTrack>();
  readonly #backoff: Backoff;
  #transport: Transport | null = null;
  #slots: SlotView[] = [];
  #connected = false;
  #retry: ReturnType<typeof setTimeout> | undefined;

  constructor(make: MakeTransport, handlers: MediaHandlers, random?: () => number) {
    this.#make = make;
    this.#handlers = handlers;
    this.#backoff = new Backoff(random);
  }

  /** Offers a new transport in place of any old one. */
  async start(): Promise<void> {
    this.#drop();
    this.#handlers.status("connecting");
    const transport = this.#make((state) => {
      if (this.#transport === transport) this.#changed(state);
    });
    this.#transport = transport;
    try {
      for (const [source, track] of this.#sending) await transport.send(source, track);
      const offer = await transport.offer();
      const done = await this.#handlers.call({ type: "offer", ...offer }, OFFER_TIMEOUT_MS);
      if (this.#transport !== transport || done.type !== "answer") return;
      await transport.answer(done.sdp);
    } catch (failure) {
      // A lost connection is not the transport's fault: the link starts media again when it is back.
      if (this.#transport === transport && !(failure instanceof CallFailed && failure.code === "unreachable")) this.#again();
      return;
    }
    this.#handlers.tracks();
    this.#handlers.answered();
  }

  async send(source: Source, track: MediaStreamTrack | null): Promise<void> {
    if (track === null) this.#sending.delete(source);
    else this.#sending.set(source, track);
    await this.#transport?.send(source, track);
  }

  slots(slots: SlotView[]): void {
    this.#slots = slots;
    this.#handlers.tracks();
  }

  /** The server says that its end is gone. While an own offer is under way that is news of the old transport. */
  closedByServer(): void {
    if (this.#transport !== null && this.#retry === undefined && this.#connected) this.#again();
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
    this.#sending.clear();
    this.#handlers.tracks();
  }

  #changed(state: RTCPeerConnectionState): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    switch (state) {
      case "connected":
        this.#connected = true;
        this.#backoff.reset();
        this.#handlers.status("connected");
        return;
      case "disconnected":
        this.#retry = setTimeout(() => this.#again(), DISCONNECTED_MS);
        return;
      case "failed":
      case "closed":
        this.#again();
        return;
      default:
        return;
    }
  }

  #again(): void {
    this.#handlers.status("failed");
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      void this.start();
    }, this.#backoff.next());
  }

  #drop(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#connected = false;
    this.#slots = [];
    const old = this.#transport;
    this.#transport = null;
    old?.close();
  }
}
