// What a browser's statistics say about the last few seconds: a small report of numbers, for the hosts and for the own eyes.
// Pure: two looks at the statistics in, a report out.

import type { CandidateKind } from "../generated/CandidateKind";
import type { CodecName } from "../generated/CodecName";
import type { Limited } from "../generated/Limited";
import type { Protocol } from "../generated/Protocol";
import type { QualityReport } from "../generated/QualityReport";
import type { ReceivedReport } from "../generated/ReceivedReport";
import type { SentReport } from "../generated/SentReport";
import type { SlotView } from "../generated/SlotView";
import type { Source } from "../generated/Source";
import type { TransportReport } from "../generated/TransportReport";
import { RIDS } from "./encodings";

/** One line of `getStats`, of which browsers leave out what they like. */
export type StatsLine = Readonly<Record<string, unknown>>;

/** One look at a transport. */
export interface Snapshot {
  /** By id. */
  readonly lines: ReadonlyMap<string, StatsLine>;
  /** The source of each send section, by its `mid`. */
  readonly sources: ReadonlyMap<string, Source>;
  /** The `mid` of each receive slot, by the id of its track. */
  readonly tracks: ReadonlyMap<string, string>;
}

/** Within the bounds of the server. */
const MOST_SENT = 12;
const MOST_RECEIVED = 40;
const U16 = 65_535;
const U32 = 4_294_967_295;

/** What happened between two looks; null while there is only one, or the transport is another one. */
export function reportOf(before: Snapshot | null, now: Snapshot, slots: readonly SlotView[]): QualityReport | null {
  if (before === null) return null;
  return {
    transport: transportOf(now),
    sent: [...now.lines.values()].flatMap((line) => sentOf(line, before, now)).slice(0, MOST_SENT),
    received: [...now.lines.values()].flatMap((line) => receivedOf(line, before, now, slots)).slice(0, MOST_RECEIVED),
  };
}

function transportOf(now: Snapshot): TransportReport {
  const pair = selectedPair(now);
  const local = now.lines.get(text(pair?.["localCandidateId"]));
  const protocol = text(local?.["relayProtocol"]) || text(local?.["protocol"]);
  return {
    protocol: PROTOCOLS.find((one) => one === protocol) ?? null,
    candidate: CANDIDATES.find((one) => one === local?.["candidateType"]) ?? null,
    round_trip_ms: whole(scaled(pair?.["currentRoundTripTime"], 1000), U32),
    estimate_kbps: whole(scaled(pair?.["availableOutgoingBitrate"], 0.001), U32),
  };
}

function selectedPair(now: Snapshot): StatsLine | undefined {
  const lines = [...now.lines.values()];
  const transport = lines.find((line) => line["type"] === "transport" && line["selectedCandidatePairId"] !== undefined);
  if (transport !== undefined) return now.lines.get(text(transport["selectedCandidatePairId"]));
  const pairs = lines.filter((line) => line["type"] === "candidate-pair");
  return pairs.find((line) => line["selected"] === true) ?? pairs.find((line) => line["nominated"] === true && line["state"] === "succeeded");
}

function sentOf(line: StatsLine, before: Snapshot, now: Snapshot): SentReport[] {
  const source = now.sources.get(text(line["mid"]));
  if (line["type"] !== "outbound-rtp" || source === undefined) return [];
  const past = pastOf(line, before);
  const kbps = rate(line, past, "bytesSent");
  // An encoding that rests is no news.
  if (kbps === null || kbps === 0) return [];
  const remote = now.lines.get(text(line["remoteId"])) ?? [...now.lines.values()].find((one) => one["type"] === "remote-inbound-rtp" && one["localId"] === line["id"]);
  const layer = RIDS.findIndex((rid) => rid === line["rid"]);
  return [
    {
      source,
      layer: layer === -1 ? null : layer,
      codec: codecOf(line, now),
      kbps,
      ...picture(line),
      lost_permille: share(scaled(remote?.["fractionLost"], 1000)),
      limited: LIMITS.find((one) => one === line["qualityLimitationReason"]) ?? null,
    },
  ];
}

function receivedOf(line: StatsLine, before: Snapshot, now: Snapshot, slots: readonly SlotView[]): ReceivedReport[] {
  if (line["type"] !== "inbound-rtp") return [];
  const mid = text(line["mid"]) || now.tracks.get(text(line["trackIdentifier"]));
  const slot = slots.find((one) => one.mid === mid);
  if (slot === undefined) return [];
  const past = pastOf(line, before);
  const packets = since(line, past, "packetsReceived");
  const lost = since(line, past, "packetsLost");
  const samples = since(line, past, "totalSamplesReceived");
  const concealed = since(line, past, "concealedSamples");
  const expected = (packets ?? 0) + (lost ?? 0);
  return [
    {
      participant: slot.participant,
      source: slot.source,
      codec: codecOf(line, now),
      kbps: rate(line, past, "bytesReceived"),
      ...picture(line),
      lost_permille: lost === null || expected <= 0 ? null : share((lost * 1000) / expected),
      jitter_ms: whole(scaled(line["jitter"], 1000), U32),
      freezes: whole(since(line, past, "freezeCount"), U16),
      frozen_ms: whole(scaled(since(line, past, "totalFreezesDuration"), 1000), U32),
      concealed_permille: samples === null || samples <= 0 || concealed === null ? null : share((concealed * 1000) / samples),
    },
  ];
}

function picture(line: StatsLine): { width: number | null; height: number | null; fps: number | null } {
  return { width: whole(number(line["frameWidth"]), U16), height: whole(number(line["frameHeight"]), U16), fps: whole(number(line["framesPerSecond"]), U16) };
}

const PROTOCOLS: readonly Protocol[] = ["udp", "tcp", "tls"];
const CANDIDATES: readonly CandidateKind[] = ["host", "srflx", "prflx", "relay"];
const LIMITS: readonly Limited[] = ["none", "cpu", "bandwidth", "other"];
const CODECS: readonly CodecName[] = ["vp8", "vp9", "h264", "av1", "opus", "red", "g722", "pcmu", "pcma"];

function codecOf(line: StatsLine, now: Snapshot): CodecName | null {
  const type = text(now.lines.get(text(line["codecId"]))?.["mimeType"]).toLowerCase();
  if (type === "") return null;
  return CODECS.find((codec) => type.endsWith(`/${codec}`)) ?? "other";
}

/** The same stream in the earlier look, unless it began anew. */
function pastOf(line: StatsLine, before: Snapshot): StatsLine | undefined {
  const past = before.lines.get(text(line["id"]));
  return past?.["ssrc"] === line["ssrc"] ? past : undefined;
}

/** What was added to a counter; all of it when the stream is new, and what was taken back counts as nothing. */
function since(line: StatsLine, past: StatsLine | undefined, name: string): number | null {
  const value = number(line[name]);
  return value === null ? null : Math.max(0, value - (number(past?.[name]) ?? 0));
}

/** Of bytes, in kbit/s. Without an earlier look there is no time to divide by. */
function rate(line: StatsLine, past: StatsLine | undefined, name: string): number | null {
  const bytes = since(line, past, name);
  const time = (number(line["timestamp"]) ?? 0) - (number(past?.["timestamp"]) ?? 0);
  return bytes === null || past === undefined || time <= 0 ? null : whole((bytes * 8) / time, U32);
}

function scaled(value: unknown, factor: number): number | null {
  const found = number(value);
  return found === null ? null : found * factor;
}

function share(value: number | null): number | null {
  return whole(value, 1000);
}

function whole(value: number | null, most: number): number | null {
  return value === null ? null : Math.min(most, Math.max(0, Math.round(value)));
}

function number(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
