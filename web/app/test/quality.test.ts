// Numbers about connections as words: when a connection is called poor, and that nothing unmeasured is called zero.

import type { QualityReport, QualityView } from "@conclave/sdk";
import { expect, test } from "vitest";
import { delayOf, delayWords, lostOf, lostWords, receivedWords, sentWords, serverSlotWords, serverSourceWords, verdictOf, verdictOn, wayWords } from "../src/words/quality";

const received = (more: Partial<QualityReport["received"][number]> = {}): QualityReport["received"][number] => ({
  participant: "member",
  source: "camera",
  codec: "vp8",
  kbps: 480,
  width: 640,
  height: 360,
  fps: 24,
  lost_permille: 0,
  jitter_ms: 3,
  freezes: 0,
  frozen_ms: 0,
  concealed_permille: null,
  ...more,
});

const report = (more: Partial<QualityReport> = {}): QualityReport => ({ transport: { protocol: "udp", candidate: "host", round_trip_ms: 20, estimate_kbps: 900 }, sent: [], received: [received()], ...more });

test("a connection is as good as its worst part", () => {
  expect(verdictOf(report())).toBe("good");
  expect(verdictOf(report({ received: [received(), received({ lost_permille: 25 })] }))).toBe("fair");
  expect(verdictOf(report({ received: [received({ frozen_ms: 1_500 })] }))).toBe("poor");
  expect(verdictOf(report({ received: [received({ concealed_permille: 150 })] }))).toBe("poor");
  expect(verdictOf(report({ transport: { protocol: "udp", candidate: "host", round_trip_ms: 500, estimate_kbps: null } }))).toBe("poor");
});

test("without a report there is no verdict, and without a transport no connection", () => {
  const view: QualityView = { participant: "member", name: "Member", client: null, at: null, server: null };
  expect(verdictOn(view)).toBe("off");
  expect(verdictOn({ ...view, server: { participant: "member", profile: null, way: null, estimate: null, round_trip_ms: null, sources: [], slots: [] } })).toBe("unknown");
  expect(verdictOn({ ...view, client: report() })).toBe("good");
});

test("the delay is the browser's, or the server's where the browser told none", () => {
  const server = { participant: "member", profile: null, way: null, estimate: null, round_trip_ms: 70, sources: [], slots: [] };
  const view: QualityView = { participant: "member", name: "Member", client: report(), at: null, server };
  expect(delayOf(view)).toBe(20);
  expect(delayOf({ ...view, client: report({ transport: { protocol: "udp", candidate: "host", round_trip_ms: null, estimate_kbps: null } }) })).toBe(70);
  expect(delayOf({ ...view, client: null })).toBe(70);
  expect(delayOf({ ...view, client: null, server: null })).toBeNull();
});

test("what was not measured is a dash and not a zero", () => {
  expect([lostWords(null), delayWords(null)]).toEqual(["–", "–"]);
  expect(lostWords(0)).toBe("0 %");
  expect(lostOf(report({ received: [received({ lost_permille: null })] }))).toBeNull();
  expect(serverSlotWords({ participant: "member", source: "camera", layer: null, target: null, packets: null, bytes: null, lost: null, repaired: null })).toBe("–");
});

test("streams are said in words", () => {
  expect(receivedWords(received({ freezes: 2, frozen_ms: 700 }))).toBe("640 × 360, 24 pictures a second · 480 kbit/s · 0 % lost · 3 ms uneven · stood still 2 times, 700 ms · VP8");
  expect(sentWords({ source: "camera", layer: 2, codec: "av1", kbps: 1_520, width: 1280, height: 720, fps: 30, lost_permille: 12, limited: "bandwidth" })).toBe(
    "1280 × 720, 30 pictures a second · 1.5 Mbit/s · 1.2 % lost · AV1 · held back by the line",
  );
  expect(wayWords({ protocol: "tls", candidate: "relay", round_trip_ms: null, estimate_kbps: null })).toBe("TLS, through a relay");
  const source = { source: "camera" as const, codec: "VP8", packets: 12_345, bytes: null, lost: 3, repaired: null, forwarded: 24_690, drops: [{ reason: "not_permitted" as const, packets: 0 }], layers: [{ layer: 2, bitrate: 1_200_000, wanted: true }] };
  expect(serverSourceWords(source)).toBe("12,345 packets · 3 lost · 24,690 passed on · large 1.2 Mbit/s");
});
