// Single-key shortcuts of a meeting. On a person who has the focus the key of an act does that act; anywhere else it is one's own.
// They rest while something is being typed or a dialog is open, and can be switched off for those whom they hinder (speech input,
// unsteady hands).

import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { actFor, actsOn } from "./acts";
import type { Meeting } from "./model";
import { stopAllShares } from "./whole";
import { stored } from "../kept";

export const KEYS = {
  microphone: "M",
  camera: "V",
  screen: "S",
  hand: "H",
  people: "P",
  chat: "C",
  captions: "T",
  room: "R",
  layout: "G",
} as const;

/** Of hosts only. */
export const HOST_KEYS = {
  waiting: "W",
  mute_all: "Shift+M",
  stop_shares: "Shift+S",
  lock: "Shift+L",
  suspend: "Shift+X",
  end: "Shift+E",
} as const;

/** On someone who waits, or on a change of a name, that has the focus. */
export const KNOCK_KEYS = { admit: "A", deny: "D", choose: "X" } as const;

const STORED = "conclave.shortcuts";

export const shortcutsOn = signal(stored.getItem(STORED) !== "off");

export function setShortcuts(on: boolean): void {
  shortcutsOn.value = on;
  stored.setItem(STORED, on ? "on" : "off");
}

export function useShortcuts(meeting: Meeting): void {
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.key === "Escape" && !event.defaultPrevented && document.querySelector("dialog[open]") === null) meeting.panel.value = null;
      if (!shortcutsOn.value || event.repeat || event.ctrlKey || event.metaKey || event.altKey || elsewhere(event.target)) return;
      const key = event.key.toUpperCase();
      const done = key === "?" ? shortcuts(meeting) : event.shiftKey ? whole(meeting, key) : (onPerson(meeting, event.target, key) ?? onKnock(event.target, key) ?? own(meeting, key));
      if (done) event.preventDefault();
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, [meeting]);
}

function shortcuts(meeting: Meeting): boolean {
  meeting.dialog.value = "shortcuts";
  return true;
}

/** Null when no other person has the focus: then the key is one's own. A key that is no act does nothing to anyone. */
function onPerson(meeting: Meeting, target: EventTarget | null, key: string): boolean | null {
  const id = target instanceof HTMLElement ? target.closest<HTMLElement>("[data-participant]")?.dataset["participant"] : undefined;
  const room = meeting.room.value;
  if (id === undefined || room === null || id === room.you || !meeting.moderates.value) return null;
  const person = room.participants.find((p) => p.participant === id);
  const act = person === undefined ? undefined : actFor(actsOn(meeting.own.value, person, room), key);
  if (act === undefined) return key === "M" || key === "V" || key === "S" || key === "C" ? true : null;
  void meeting.act(act);
  return true;
}

function onKnock(target: EventTarget | null, key: string): boolean | null {
  const line = target instanceof HTMLElement ? target.closest<HTMLElement>("[data-knock], [data-change]") : null;
  if (line === null) return null;
  const act = { [KNOCK_KEYS.admit]: "admit", [KNOCK_KEYS.deny]: "deny", [KNOCK_KEYS.choose]: "choose" }[key];
  if (act === undefined) return null;
  line.querySelector<HTMLElement>(`[data-act="${act}"]`)?.click();
  return true;
}

function own(meeting: Meeting, key: string): boolean {
  switch (key) {
    case KEYS.microphone:
      void meeting.toggle("microphone");
      return true;
    case KEYS.camera:
      void meeting.toggle("camera");
      return true;
    case KEYS.screen:
      void meeting.toggle("screen");
      return true;
    case KEYS.hand:
      void meeting.raiseHand();
      return true;
    case KEYS.people:
      meeting.open("people");
      return true;
    case KEYS.chat:
      meeting.open("chat");
      return true;
    case KEYS.captions:
      meeting.open("captions");
      return true;
    case KEYS.room:
      meeting.open("room");
      return true;
    case KEYS.layout:
      meeting.setLayout(meeting.layout.value === "grid" ? "speaker" : "grid");
      return true;
    case HOST_KEYS.waiting:
      if (!meeting.moderates.value) return false;
      meeting.open("people", "waiting");
      // The next key can then let in or deny the first.
      requestAnimationFrame(() => document.querySelector<HTMLElement>("[data-knock]")?.focus());
      return true;
    default:
      return false;
  }
}

/** For the whole room. */
function whole(meeting: Meeting, key: string): boolean {
  const room = meeting.room.value;
  if (room === null || !meeting.moderates.value) return false;
  switch (`Shift+${key}`) {
    case HOST_KEYS.mute_all:
      meeting.dialog.value = "mute_all";
      return true;
    case HOST_KEYS.stop_shares:
      void stopAllShares(meeting);
      return true;
    case HOST_KEYS.lock:
      void meeting.doing(room.locked ? "The room is open to knocks." : "The room is locked.", () => meeting.client.lock(!room.locked));
      return true;
    case HOST_KEYS.suspend:
      meeting.dialog.value = "suspend";
      return true;
    case HOST_KEYS.end:
      meeting.dialog.value = "end";
      return true;
    default:
      return false;
  }
}

function elsewhere(target: EventTarget | null): boolean {
  if (document.querySelector("dialog[open]") !== null) return true;
  if (!(target instanceof HTMLElement)) return false;
  const field = target.closest<HTMLElement>("input, select, textarea, [contenteditable]");
  // A tick box types nothing.
  return field !== null && !(field instanceof HTMLInputElement && field.type === "checkbox");
}
