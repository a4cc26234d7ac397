// Lips and voice in step. Each slot is a stream of its own to the browser, which therefore plays picture and sound each as soon as it
// can; sound waits longer than pictures do. So the picture of a person is held for as long as their sound is: not as it was in one
// moment, which a busy machine makes long or short, and not faster than an eye forgives. Pure: looks in, times out.

import type { SlotView } from "../generated/SlotView";
import type { Source } from "../generated/Source";
import type { Snapshot, StatsLine } from "./quality";

/** A picture is never held longer than this, in milliseconds: then it would rather be fresh. */
const LONGEST = 400;
/** What sound still takes from the buffer to the ear, beyond what a picture takes to the eye. */
const DEVICE = 30;
/** Steps that nobody sees; what differs by no more than one is left as it is. */
const STEP = 10;
/** The hold changes by at most this from one look to the next: pictures run a little faster or slower, and do not jump. */
const MOST_CHANGE = 80;
/** The middle of so many looks counts: one that has nothing to do with the others never does. */
const LOOKS = 3;
/** A look with fewer packets, as of one who is silent, says nothing. */
const FEWEST_PACKETS = 10;

const SOUND_OF: Readonly<Partial<Record<Source, Source>>> = { camera: "microphone", screen: "screen_audio" };

interface Followed {
  participant: string;
  source: Source;
  /** How long the sound waited, the newest last. */
  waits: number[];
  hold: number | null;
}

/** The pictures of one transport. */
export class Step {
  #before: Snapshot | null = null;
  /** By the `mid` of the picture. */
  #pictures = new Map<string, Followed>();

  /** For each picture that has, or lately had, its sound beside it, by `mid`: for how many milliseconds it is to be held. */
  next(now: Snapshot, slots: readonly SlotView[]): Map<string, number> {
    const followed = new Map<string, Followed>();
    for (const { mid, participant, source } of slots) {
      const wanted = SOUND_OF[source];
      if (wanted === undefined) continue;
      const known = this.#pictures.get(mid);
      // Another one in the same slot begins anew; who is silent keeps what was found last.
      const one = known?.participant === participant && known.source === source ? known : { participant, source, waits: [], hold: null };
      const sound = slots.find((slot) => slot.participant === participant && slot.source === wanted);
      const wait = sound === undefined || this.#before === null ? null : waitOf(sound.mid, this.#before, now);
      if (wait !== null) follow(one, wait);
      followed.set(mid, one);
    }
    this.#before = now;
    this.#pictures = followed;
    return new Map([...followed].flatMap(([mid, { hold }]) => (hold === null ? [] : [[mid, hold] as const])));
  }
}

function follow(one: Followed, wait: number): void {
  one.waits = [...one.waits, wait].slice(-LOOKS);
  const goal = Math.min(LONGEST, Math.round((middle(one.waits) + DEVICE) / STEP) * STEP);
  if (one.hold === null) {
    // Nobody has seen this picture otherwise.
    one.hold = goal;
    return;
  }
  const change = goal - one.hold;
  if (Math.abs(change) > STEP) one.hold += Math.max(-MOST_CHANGE, Math.min(MOST_CHANGE, change));
}

/** Of an even number the smaller of the two in the middle: rather fresh than late. */
function middle(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
}

/** How long a sample of this slot lay in the buffer on average; null when too little came out of it. */
function waitOf(mid: string, before: Snapshot, now: Snapshot): number | null {
  const line = [...now.lines.values()].find((one) => one["type"] === "inbound-rtp" && (one["mid"] ?? now.tracks.get(String(one["trackIdentifier"]))) === mid);
  const past = line === undefined ? undefined : before.lines.get(String(line["id"]));
  if (line === undefined || past === undefined || past["ssrc"] !== line["ssrc"]) return null;
  const added = (name: string) => number(line, name) - number(past, name);
  const [packets, count, time] = [added("packetsReceived"), added("jitterBufferEmittedCount"), added("jitterBufferDelay")];
  return packets >= FEWEST_PACKETS && count > 0 && time >= 0 ? (time / count) * 1000 : null;
}

function number(line: StatsLine, name: string): number {
  const value = line[name];
  return typeof value === "number" && Number.isFinite(value) ? value : 0;
}
