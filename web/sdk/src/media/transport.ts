// One RTCPeerConnection from offer to end: four send sections without tracks, fixed receive slots. It never renegotiates but to
// find another way to the server (an ICE restart); a transport that failed is thrown away and a new one made in its place.

import type { EncodingView } from "../generated/EncodingView";
import type { SectionSource } from "../generated/SectionSource";
import type { Source } from "../generated/Source";
import { preferCodecs } from "./codecs";
import { encodingsOf, sizesOf, type VideoCodec } from "./encodings";
import { NO_PREFERENCES, USUAL_CODEC, type MediaPreferences } from "./preferences";
import type { Snapshot, StatsLine } from "./quality";
import { kindOf, SOURCES } from "./sources";
import { tuneOpus } from "./tuning";

export const AUDIO_SLOTS = 8;
export const VIDEO_SLOTS = 16;

export interface OfferText {
  sdp: string;
  sources: SectionSource[];
}

/** What the media part needs of a transport; tests stand in for the browser here. */
export interface Transport {
  /** With `restart` the same connection looks for its way anew. */
  offer(restart?: boolean): Promise<OfferText>;
  answer(sdp: string): Promise<void>;
  send(source: Source, track: MediaStreamTrack | null): Promise<void>;
  /** Which encodings of an own source anybody wants. */
  layers(source: Source, encodings: readonly EncodingView[]): Promise<void>;
  prefer(preferences: MediaPreferences): Promise<void>;
  /** The track of a receive slot, by the `mid` of the offer. */
  slotTrack(mid: string): MediaStreamTrack | null;
  stats(): Promise<Snapshot>;
  /** Holds pictures for so many milliseconds, by `mid`; all others come as soon as they can. */
  hold(times: ReadonlyMap<string, number>): void;
  close(): void;
}

export type MakeTransport = (
  changed: (state: RTCPeerConnectionState) => void,
  iceServers: RTCIceServer[],
  preferences?: MediaPreferences,
) => Transport;

export const browserTransport: MakeTransport = (changed, iceServers, preferences = NO_PREFERENCES) =>
  new BrowserTransport(changed, iceServers, preferences);

class BrowserTransport implements Transport {
  readonly #peer: RTCPeerConnection;
  readonly #senders = new Map<Source, RTCRtpTransceiver>();
  readonly #codec: VideoCodec;
  readonly #wanted = new Map<Source, readonly EncodingView[]>();
  #preferences: MediaPreferences;

  constructor(changed: (state: RTCPeerConnectionState) => void, iceServers: RTCIceServer[], preferences: MediaPreferences) {
    this.#peer = new RTCPeerConnection({ bundlePolicy: "max-bundle", rtcpMuxPolicy: "require", iceServers });
    this.#preferences = preferences;
    this.#codec = preferences.codec ?? USUAL_CODEC;
    for (const source of SOURCES) {
      const kind = kindOf(source);
      const section = this.#section(source, kind);
      preferCodecs(section, kind, kind === "video" ? this.#codec : undefined);
      this.#senders.set(source, section);
    }
    for (let slot = 0; slot < AUDIO_SLOTS; slot += 1) preferCodecs(this.#peer.addTransceiver("audio", { direction: "recvonly" }), "audio");
    for (let slot = 0; slot < VIDEO_SLOTS; slot += 1) preferCodecs(this.#peer.addTransceiver("video", { direction: "recvonly" }), "video");
    this.#peer.onconnectionstatechange = () => changed(this.#peer.connectionState);
  }

  async offer(restart = false): Promise<OfferText> {
    const offer = await this.#peer.createOffer({ iceRestart: restart });
    await this.#peer.setLocalDescription(offer);
    const sources = [...this.#sources()].map(([mid, source]): SectionSource => ({ mid, source }));
    return { sdp: this.#peer.localDescription?.sdp ?? "", sources };
  }

  answer(sdp: string): Promise<void> {
    return this.#peer.setRemoteDescription({ type: "answer", sdp: tuneOpus(sdp, this.#sources()) });
  }

  async send(source: Source, track: MediaStreamTrack | null): Promise<void> {
    const sender = this.#senders.get(source)?.sender;
    // What is turned on again is wanted whole until the server says otherwise.
    if (track === null) this.#wanted.delete(source);
    // The sizes first: the first picture is then sent as all others are.
    if (track !== null) await this.#shape(source, track);
    await sender?.replaceTrack(track);
  }

  async layers(source: Source, encodings: readonly EncodingView[]): Promise<void> {
    this.#wanted.set(source, encodings);
    const track = this.#senders.get(source)?.sender.track;
    if (track !== null && track !== undefined) await this.#shape(source, track);
  }

  async prefer(preferences: MediaPreferences): Promise<void> {
    this.#preferences = preferences;
    const track = this.#senders.get("camera")?.sender.track;
    if (track !== null && track !== undefined) await this.#shape("camera", track);
  }

  slotTrack(mid: string): MediaStreamTrack | null {
    return this.#peer.getTransceivers().find((section) => section.mid === mid && section.direction === "recvonly")?.receiver.track ?? null;
  }

  async stats(): Promise<Snapshot> {
    const report = await this.#peer.getStats();
    const lines = new Map<string, StatsLine>();
    report.forEach((line: StatsLine & { id: string }) => lines.set(line.id, line));
    const tracks = new Map<string, string>();
    for (const section of this.#peer.getTransceivers()) {
      if (section.direction === "recvonly" && section.mid !== null) tracks.set(section.receiver.track.id, section.mid);
    }
    return { lines, sources: this.#sources(), tracks };
  }

  hold(times: ReadonlyMap<string, number>): void {
    for (const { mid, direction, receiver } of this.#peer.getTransceivers()) {
      if (direction !== "recvonly" || receiver.track.kind !== "video" || !("jitterBufferTarget" in receiver)) continue;
      const wanted = times.get(mid ?? "") ?? null;
      if (receiver.jitterBufferTarget !== wanted) receiver.jitterBufferTarget = wanted;
    }
  }

  close(): void {
    this.#peer.onconnectionstatechange = null;
    this.#peer.close();
  }

  /** By the `mid` of the send section. */
  #sources(): Map<string, Source> {
    const sources = new Map<string, Source>();
    for (const [source, section] of this.#senders) if (section.mid !== null) sources.set(section.mid, source);
    return sources;
  }

  #section(source: Source, kind: "audio" | "video"): RTCRtpTransceiver {
    try {
      return this.#peer.addTransceiver(kind, { direction: "sendonly", sendEncodings: encodingsOf(source, this.#codec) });
    } catch {
      // A browser that knows no layers in one stream sends one.
      return this.#peer.addTransceiver(kind, { direction: "sendonly" });
    }
  }

  /** Makes the encodings what the picture, the person and the receivers want. */
  async #shape(source: Source, track: MediaStreamTrack): Promise<void> {
    const sender = this.#senders.get(source)?.sender;
    if (sender === undefined || kindOf(source) === "audio") return;
    const parameters = sender.getParameters();
    const { height = 0 } = track.getSettings();
    const sizes = source === "camera" && height > 0 ? sizesOf(height, this.#preferences.send, parameters.encodings.length) : null;
    const wanted = this.#wanted.get(source);
    parameters.encodings.forEach((encoding, at) => {
      Object.assign(encoding, sizes?.[at]);
      const said = wanted?.find((one) => (one.rid ?? undefined) === encoding.rid);
      encoding.active = (sizes?.[at]?.active ?? true) && (said?.active ?? true);
    });
    // The browser refuses what was changed meanwhile by a second call; that one has the newer wishes.
    await sender.setParameters(parameters).catch(() => undefined);
  }
}
