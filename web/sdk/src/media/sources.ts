// The four sources in the order of the offer's send sections, and what a browser needs to know of each.

import type { Source } from "../generated/Source";

export const SOURCES: readonly Source[] = ["microphone", "camera", "screen", "screen_audio"];

export function kindOf(source: Source): "audio" | "video" {
  return source === "camera" || source === "screen" ? "video" : "audio";
}
