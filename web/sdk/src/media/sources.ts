// The four sources in the order of the offer's send sections, and what a browser needs to know of each.

import type { Source } from "../generated/Source";

export const SOURCES: readonly Source[] = ["microphone", "camera", "screen", "screen_audio"];

export function kindOf(source: Source): "audio" | "video" {
  return source === "camera" || source === "screen" ? "video" : "audio";
}

/** Ceilings of what is sent; the screen is sharper and slower than a face. */
export function encodingOf(source: Source): RTCRtpEncodingParameters {
  switch (source) {
    case "camera":
      return { maxBitrate: 1_200_000, maxFramerate: 30 };
    case "screen":
      return { maxBitrate: 2_500_000, maxFramerate: 15 };
    case "microphone":
      return { maxBitrate: 40_000 };
    case "screen_audio":
      return { maxBitrate: 96_000 };
  }
}
