// A host who looks elsewhere is called when someone knocks: two soft notes, and the number in the title of the tab. Both can be
// turned off, on this device.

import { signal } from "@preact/signals";
import { stored } from "../kept";

const SOUND = "conclave.knock.sound";
const TITLE = "conclave.knock.title";

export const knockSound = signal(stored.getItem(SOUND) !== "off");
export const knockTitle = signal(stored.getItem(TITLE) !== "off");

export function setKnockSound(on: boolean): void {
  knockSound.value = on;
  stored.setItem(SOUND, on ? "on" : "off");
  if (on) ring();
}

export function setKnockTitle(on: boolean): void {
  knockTitle.value = on;
  stored.setItem(TITLE, on ? "on" : "off");
}

/** A crowd at the door rings once, not a thousand times. */
const QUIET_MS = 4_000;
let rangAt = 0;

export function knockHeard(now: number = Date.now()): void {
  if (!knockSound.value || now - rangAt < QUIET_MS) return;
  rangAt = now;
  ring();
}

function ring(): void {
  const context = new AudioContext();
  const gain = context.createGain();
  gain.connect(context.destination);
  gain.gain.setValueAtTime(0, context.currentTime);
  for (const [pitch, start] of [[660, 0], [880, 0.18]] as const) {
    const from = context.currentTime + start;
    const note = context.createOscillator();
    note.frequency.value = pitch;
    note.connect(gain);
    note.start(from);
    note.stop(from + 0.16);
    gain.gain.linearRampToValueAtTime(0.08, from + 0.02);
    gain.gain.linearRampToValueAtTime(0, from + 0.15);
  }
  setTimeout(() => void context.close(), 800);
}
