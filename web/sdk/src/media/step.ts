// Lips and voice in step. Each slot is a stream of its own to the browser, which therefore plays picture and sound each as soon as it
// can; sound waits longer than pictures do. So the picture of a person is held for as long as their sound is. Pure: looks in, times out.

import type { SlotView } from "../generated/SlotView";
import type { Source } from "../generated/Source";
import type { Snapshot, StatsLine } from "./quality";

/** A picture is never held longer than this, in milliseconds: then it would rather be fresh. */
const LONGEST = 400;
/** What sound still takes from the buffer to the ear, beyond what a picture takes to the eye. */
const DEVICE = 20;
/** Steps that nobody sees. */
const STEP = 10;

const SOUND_OF: Readonly<Partial<Record<Source, Source>>> = { camera: "microphone", screen: "screen_audio" };

/** For each picture that has its sound beside it, by `mid`: how long the sound waits now, in milliseconds. */
export function holds(before: Snapshot | null, now: Snapshot, slots: readonly SlotView[]): Map<string, number> {
  const found = new Map<string, number>();
  if (before === null) return found;
  for (const picture of slots) {
    const sound = slots.find((slot) => slot.participant === picture.participant && slot.source === SOUND_OF[picture.source]);
    const waits = sound === undefined ? null : waitOf(sound.mid, before, now);
    if (waits !== null) found.set(picture.mid, Math.min(LONGEST, Math.round((waits + DEVICE) / STEP) * STEP));
  }
  return found;
}

/** How long a sample of this slot lay in the buffer on average; null when none came out of it. */
function waitOf(mid: string, before: Snapshot, now: Snapshot): number | null {
  const line = [...now.lines.values()].find((one) => one["type"] === "inbound-rtp" && (one["mid"] ?? now.tracks.get(String(one["trackIdentifier"]))) === mid);
  const past = line === undefined ? undefined : before.lines.get(String(line["id"]));
  if (line === undefined || past === undefined || past["ssrc"] !== line["ssrc"]) return null;
  const count = number(line, "jitterBufferEmittedCount") - number(past, "jitterBufferEmittedCount");
  const time = number(line, "jitterBufferDelay") - number(past, "jitterBufferDelay");
  return count > 0 && time >= 0 ? (time / count) * 1000 : null;
}

function number(line: StatsLine, name: string): number {
  const value = line[name];
  return typeof value === "number" && Number.isFinite(value) ? value : 0;
}
