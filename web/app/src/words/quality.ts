// Numbers about a connection in words that anyone can read. Pure.

import type { QualityReport, QualityView, Source } from "@conclave/sdk";

export type Verdict = "good" | "fair" | "poor" | "unknown" | "off";

export const VERDICT_WORDS: Readonly<Record<Verdict, string>> = { good: "Good", fair: "Fair", poor: "Poor", unknown: "No report yet", off: "Not connected" };

export const VERDICT_TONE = { good: "good", fair: "plain", poor: "warn", unknown: "plain", off: "plain" } as const;

/** From here on a meeting is felt to suffer, and from there on it does. Loss in thousandths, times in milliseconds of five seconds. */
const LOST = { fair: 20, poor: 60 };
const DELAY = { fair: 200, poor: 450 };
const FROZEN = { fair: 200, poor: 1_000 };
const CONCEALED = { fair: 30, poor: 100 };

export function verdictOf(report: QualityReport): Verdict {
  const worst = [
    grade(lostOf(report), LOST),
    grade(report.transport.round_trip_ms, DELAY),
    ...report.received.flatMap((line) => [grade(line.frozen_ms, FROZEN), grade(line.concealed_permille, CONCEALED)]),
  ];
  return worst.includes("poor") ? "poor" : worst.includes("fair") ? "fair" : "good";
}

export function verdictOn(view: QualityView): Verdict {
  if (view.client !== null) return verdictOf(view.client);
  return view.server === null ? "off" : "unknown";
}

/** There and back, in milliseconds: as the browser measured it, or the server where the browser tells nothing. */
export function delayOf(view: QualityView): number | null {
  return view.client?.transport.round_trip_ms ?? view.server?.round_trip_ms ?? null;
}

function grade(value: number | null, steps: { fair: number; poor: number }): Verdict {
  return value === null || value < steps.fair ? "good" : value < steps.poor ? "fair" : "poor";
}

/** The worst of all streams, both ways, in thousandths; null when none was measured. */
export function lostOf(report: QualityReport): number | null {
  const all = [...report.sent, ...report.received].map((line) => line.lost_permille).filter((lost) => lost !== null);
  return all.length === 0 ? null : Math.max(...all);
}

const DASH = "–";

export function lostWords(permille: number | null): string {
  return permille === null ? DASH : `${(permille / 10).toLocaleString("en", { maximumFractionDigits: 1 })} %`;
}

export function delayWords(milliseconds: number | null): string {
  return milliseconds === null ? DASH : `${milliseconds} ms`;
}

export function rateWords(kbps: number): string {
  return kbps >= 1000 ? `${(kbps / 1000).toLocaleString("en", { maximumFractionDigits: 1 })} Mbit/s` : `${kbps} kbit/s`;
}

export function countWords(count: number): string {
  return count.toLocaleString("en");
}

export const SOURCE_WORDS: Readonly<Record<Source, string>> = { microphone: "Microphone", camera: "Camera", screen: "Screen", screen_audio: "Sound of the screen" };

const LAYERS = ["small", "medium", "large"];

export function layerWords(layer: number | null): string {
  return layer === null ? "" : (LAYERS[layer] ?? `size ${layer + 1}`);
}

const CODECS = { vp8: "VP8", vp9: "VP9", h264: "H.264", av1: "AV1", opus: "Opus", red: "Opus, sent twice", g722: "G.722", pcmu: "G.711", pcma: "G.711", other: "another format" } as const;

const LIMITS = { none: null, cpu: "held back by the computer", bandwidth: "held back by the line", other: "held back" } as const;

/** By which way media goes. */
export function wayWords(transport: QualityReport["transport"]): string {
  const { protocol, candidate } = transport;
  if (protocol === null) return "not known";
  const carried = { udp: "UDP", tcp: "TCP", tls: "TLS" }[protocol];
  return candidate === "relay" ? `${carried}, through a relay` : `${carried}, straight to the server`;
}

export function sentWords(line: QualityReport["sent"][number]): string {
  return list([sizeOf(line), line.kbps === null ? null : rateWords(line.kbps), line.lost_permille === null ? null : `${lostWords(line.lost_permille)} lost`, line.codec === null ? null : CODECS[line.codec], line.limited === null ? null : LIMITS[line.limited]]);
}

export function receivedWords(line: QualityReport["received"][number]): string {
  return list([
    sizeOf(line),
    line.kbps === null ? null : rateWords(line.kbps),
    line.lost_permille === null ? null : `${lostWords(line.lost_permille)} lost`,
    line.jitter_ms === null ? null : `${line.jitter_ms} ms uneven`,
    line.freezes === null || line.freezes === 0 ? null : `stood still ${line.freezes === 1 ? "once" : `${line.freezes} times`}, ${line.frozen_ms ?? 0} ms`,
    line.concealed_permille === null || line.concealed_permille === 0 ? null : `${lostWords(line.concealed_permille)} of the sound made up`,
    line.codec === null ? null : CODECS[line.codec],
  ]);
}

function sizeOf(line: { width: number | null; height: number | null; fps: number | null }): string | null {
  if (line.width === null || line.height === null || line.height === 0) return null;
  return line.fps === null ? `${line.width} × ${line.height}` : `${line.width} × ${line.height}, ${line.fps} pictures a second`;
}

type ServerView = NonNullable<QualityView["server"]>;

export function protectionWords(server: ServerView): string {
  return server.profile === null ? "no keys yet" : server.profile.replaceAll("_", "-");
}

const DROPS = { not_permitted: "not permitted", over_rate: "too fast", no_receiver: "for nobody" } as const;

export function serverSourceWords(line: ServerView["sources"][number]): string {
  return list([
    `${countWords(line.packets)} packets`,
    line.bytes === null ? null : `${rateless(line.bytes)}`,
    line.lost === null ? null : `${countWords(line.lost)} lost`,
    line.repaired === null ? null : `${countWords(line.repaired)} repaired`,
    `${countWords(line.forwarded)} passed on`,
    ...line.drops.filter((drop) => drop.packets > 0).map((drop) => `${countWords(drop.packets)} dropped (${DROPS[drop.reason]})`),
    ...line.layers.filter((layer) => layer.bitrate !== null && layer.bitrate > 0).map((layer) => `${layerWords(layer.layer)} ${rateWords(Math.round((layer.bitrate ?? 0) / 1000))}`),
  ]);
}

export function serverSlotWords(line: ServerView["slots"][number]): string {
  return list([
    line.layer === null ? null : `${layerWords(line.layer)} size`,
    line.target === null || line.target === line.layer ? null : `changing to ${layerWords(line.target)}`,
    line.packets === null ? null : `${countWords(line.packets)} packets`,
    line.lost === null ? null : `${countWords(line.lost)} lost`,
    line.repaired === null ? null : `${countWords(line.repaired)} sent again`,
  ]);
}

function rateless(bytes: number): string {
  return bytes >= 1e6 ? `${(bytes / 1e6).toLocaleString("en", { maximumFractionDigits: 1 })} MB` : `${Math.round(bytes / 1e3)} kB`;
}

function list(parts: readonly (string | null)[]): string {
  const words = parts.filter((part) => part !== null && part !== "");
  return words.length === 0 ? DASH : words.join(" · ");
}
