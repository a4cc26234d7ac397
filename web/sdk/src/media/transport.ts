// One RTCPeerConnection from offer to end: four send sections without tracks, fixed receive slots, one offer, one answer.
// It never renegotiates; a transport that failed is thrown away and a new one made in its place.

import type { SectionSource } from "../generated/SectionSource";
import type { Source } from "../generated/Source";
import { preferCodecs } from "./codecs";
import { encodingOf, kindOf, SOURCES } from "./sources";

export const AUDIO_SLOTS = 8;
export const VIDEO_SLOTS = 16;

export interface OfferText {
  sdp: string;
  sources: SectionSource[];
}

/** What the media part needs of a transport; tests stand in for the browser here. */
export interface Transport {
  offer(): Promise<OfferText>;
  answer(sdp: string): Promise<void>;
  send(source: Source, track: MediaStreamTrack | null): Promise<void>;
  /** The track of a receive slot, by the `mid` of the offer. */
  slotTrack(mid: string): MediaStreamTrack | null;
  close(): void;
}

export type MakeTransport = (changed: (state: RTCPeerConnectionState) => void) => Transport;

export const browserTransport: MakeTransport = (changed) => {
  const peer = new RTCPeerConnection({ bundlePolicy: "max-bundle", rtcpMuxPolicy: "require", iceServers: [] });
  const senders = new Map<Source, RTCRtpTransceiver>();
  for (const source of SOURCES) {
    const kind = kindOf(source);
    const section = peer.addTransceiver(kind, { direction: "sendonly", sendEncodings: [encodingOf(source)] });
    preferCodecs(section, kind);
    senders.set(source, section);
  }
  for (let slot = 0; slot < AUDIO_SLOTS; slot += 1) preferCodecs(peer.addTransceiver("audio", { direction: "recvonly" }), "audio");
  for (let slot = 0; slot < VIDEO_SLOTS; slot += 1) preferCodecs(peer.addTransceiver("video", { direction: "recvonly" }), "video");
  peer.onconnectionstatechange = () => changed(peer.connectionState);

  return {
    async offer() {
      await peer.setLocalDescription(await peer.createOffer());
      const sources: SectionSource[] = [];
      for (const [source, section] of senders) {
        if (section.mid !== null) sources.push({ mid: section.mid, source });
      }
      return { sdp: peer.localDescription?.sdp ?? "", sources };
    },
    answer: (sdp) => peer.setRemoteDescription({ type: "answer", sdp }),
    async send(source, track) {
      await senders.get(source)?.sender.replaceTrack(track);
    },
    slotTrack: (mid) =>
      peer.getTransceivers().find((section) => section.mid === mid && section.direction === "recvonly")?.receiver.track ?? null,
    close() {
      peer.onconnectionstatechange = null;
      peer.close();
    },
  };
};
