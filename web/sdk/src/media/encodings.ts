// Into which encodings a source is sent. The camera goes out in up to three sizes, of which the server passes on to each receiver
// the one that suits; the screen in one that is sharp. Pure arithmetic.

import type { Source } from "../generated/Source";

/** Names of the encodings, the smallest first. */
export const RIDS = ["q", "h", "f"] as const;

/** Video codecs that a person may prefer. */
export type VideoCodec = "vp8" | "h264" | "vp9" | "av1";

/** The height of the largest picture that is sent or received. */
export type Height = 180 | 360 | 720 | 1080;

/** By the height of the picture, in bits per second. */
const RATES: readonly { height: number; rate: number }[] = [
  { height: 1080, rate: 2_500_000 },
  { height: 720, rate: 1_500_000 },
  { height: 360, rate: 500_000 },
  { height: 180, rate: 150_000 },
  { height: 0, rate: 100_000 },
];
/** The smallest picture that is worth an encoding of its own. */
const SMALLEST = 160;
const SCREEN_RATE = 2_500_000;
const SCREEN_FRAMES = 15;
const CAMERA_FRAMES = 30;

/** Codecs whose layers are in one stream, where the browser does it. */
export function isLayered(codec: VideoCodec): boolean {
  return codec === "vp9" || codec === "av1";
}

/** What a section is offered with. The sizes are set when the track is there: see `sizesOf`. */
export function encodingsOf(source: Source, codec: VideoCodec): RTCRtpEncodingParameters[] {
  switch (source) {
    case "camera":
      if (isLayered(codec)) return [{ maxBitrate: rateOf(1080), maxFramerate: CAMERA_FRAMES, ...{ scalabilityMode: "L3T3_KEY" } }];
      return RIDS.map((rid, at) => ({ rid, scaleResolutionDownBy: 2 ** (RIDS.length - 1 - at), maxBitrate: rateOf([180, 360, 720][at] ?? 0), maxFramerate: CAMERA_FRAMES }));
    case "screen":
      return [{ maxBitrate: SCREEN_RATE, maxFramerate: SCREEN_FRAMES }];
    case "microphone":
    case "screen_audio":
      // A bound here would also be one for the codecs that have one rate, which browsers then do not send at all: see `tuneOpus`.
      return [{}];
  }
}

export interface EncodingSize {
  active: boolean;
  scaleResolutionDownBy: number;
  maxBitrate: number;
}

/**
 * The sizes of the camera's encodings for a picture of this height, when at most `most` is to be sent: each half of the next. Where the
 * picture is too small for three, the largest ones rest, so that the first is always the smallest.
 */
export function sizesOf(height: number, most: Height | null, count: number): EncodingSize[] {
  const base = most === null || height <= most ? 1 : height / most;
  const top = height / base;
  let used = 1;
  while (used < count && top / 2 ** used >= SMALLEST) used += 1;
  return Array.from({ length: count }, (_, at) => {
    const steps = Math.max(0, used - 1 - at);
    return { active: at < used, scaleResolutionDownBy: base * 2 ** steps, maxBitrate: rateOf(top / 2 ** steps) };
  });
}

function rateOf(height: number): number {
  return RATES.find((step) => height >= step.height)?.rate ?? 0;
}
