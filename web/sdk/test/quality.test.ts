// What is reported of the own connection: differences between two looks, in bounds, and only about what a slot carries.

import { expect, test } from "vitest";
import { reportOf, type Snapshot, type StatsLine } from "../src/media/quality";

const SLOTS = [{ mid: "12", participant: "member", source: "camera" as const }];

function look(lines: StatsLine[]): Snapshot {
  return { lines: new Map(lines.map((line) => [String(line["id"]), line])), sources: new Map([["1", "camera"]]), tracks: new Map([["t12", "12"]]) };
}

const inbound = (more: StatsLine): StatsLine => ({ id: "in", type: "inbound-rtp", mid: "12", ssrc: 7, codecId: "c", timestamp: 1_000, bytesReceived: 1_000, packetsReceived: 100, packetsLost: 0, freezeCount: 1, totalFreezesDuration: 0.5, ...more });
const codec: StatsLine = { id: "c", type: "codec", mimeType: "video/VP9" };

test("rates, losses and freezes are those since the last look", () => {
  const report = reportOf(look([inbound({}), codec]), look([inbound({ timestamp: 6_000, bytesReceived: 626_000, packetsReceived: 595, packetsLost: 5, freezeCount: 3, totalFreezesDuration: 0.75, frameWidth: 640, frameHeight: 360, framesPerSecond: 24.6, jitter: 0.0123 }), codec]), SLOTS);
  expect(report?.received).toEqual([
    { participant: "member", source: "camera", codec: "vp9", kbps: 1000, width: 640, height: 360, fps: 25, lost_permille: 10, jitter_ms: 12, freezes: 2, frozen_ms: 250, concealed_permille: null },
  ]);
});

test("the first look says nothing, and a stream that began anew has no rate yet", () => {
  expect(reportOf(null, look([inbound({})]), SLOTS)).toBeNull();
  const report = reportOf(look([inbound({ ssrc: 6 })]), look([inbound({ timestamp: 6_000 })]), SLOTS);
  expect(report?.received[0]?.kbps).toBeNull();
});

test("a counter that was taken back and a number beyond all bounds stay within what the server takes", () => {
  const report = reportOf(look([inbound({ packetsLost: 9 })]), look([inbound({ timestamp: 6_000, packetsLost: 4, packetsReceived: 110, frameWidth: 1e9, jitter: Number.NaN })]), SLOTS);
  expect(report?.received[0]).toMatchObject({ lost_permille: 0, width: 65_535, jitter_ms: null });
});

test("a slot without a mid in the statistics is found by its track, and what no slot carries is left out", () => {
  const { mid, ...without } = inbound({ timestamp: 6_000 });
  expect(mid).toBe("12");
  expect(reportOf(look([inbound({})]), look([{ ...without, trackIdentifier: "t12" }]), SLOTS)?.received.length).toBe(1);
  expect(reportOf(look([inbound({})]), look([inbound({ timestamp: 6_000 })]), [])?.received).toEqual([]);
});

const outbound = (more: StatsLine): StatsLine => ({ id: "out", type: "outbound-rtp", mid: "1", rid: "h", ssrc: 9, timestamp: 1_000, bytesSent: 0, qualityLimitationReason: "bandwidth", ...more });

test("an encoding is reported with its layer and what the server lost of it; one that rests is not", () => {
  const remote: StatsLine = { id: "r", type: "remote-inbound-rtp", localId: "out", fractionLost: 0.031 };
  const report = reportOf(look([outbound({})]), look([outbound({ timestamp: 2_000, bytesSent: 50_000 }), remote]), SLOTS);
  expect(report?.sent).toMatchObject([{ source: "camera", layer: 1, kbps: 400, lost_permille: 31, limited: "bandwidth" }]);
  expect(reportOf(look([outbound({})]), look([outbound({ timestamp: 2_000 })]), SLOTS)?.sent).toEqual([]);
});

test("the way is that of the chosen pair, in Chromium's words and in Firefox's", () => {
  const pair: StatsLine = { id: "p", type: "candidate-pair", localCandidateId: "l", currentRoundTripTime: 0.0456, availableOutgoingBitrate: 1_234_567 };
  const local: StatsLine = { id: "l", type: "local-candidate", candidateType: "relay", protocol: "udp", relayProtocol: "tls" };
  const wanted = { protocol: "tls", candidate: "relay", round_trip_ms: 46, estimate_kbps: 1235 };
  const chromium = [pair, local, { id: "t", type: "transport", selectedCandidatePairId: "p" }];
  expect(reportOf(look([]), look(chromium), SLOTS)?.transport).toEqual(wanted);
  expect(reportOf(look([]), look([{ ...pair, nominated: true, state: "succeeded" }, local]), SLOTS)?.transport).toEqual(wanted);
});
