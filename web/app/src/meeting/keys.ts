// Single-key shortcuts of a meeting. They rest while something is being typed or a dialog is open, and can be switched off
// for those whom they hinder (speech input, unsteady hands).

import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Meeting } from "./model";

export const KEYS = { microphone: "M", camera: "V", screen: "S", hand: "H", people: "P", room: "R" } as const;

const STORED = "conclave.shortcuts";

export const shortcutsOn = signal(localStorage.getItem(STORED) !== "off");

export function setShortcuts(on: boolean): void {
  shortcutsOn.value = on;
  localStorage.setItem(STORED, on ? "on" : "off");
}

export function useShortcuts(meeting: Meeting): void {
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.key === "Escape" && document.querySelector("dialog[open]") === null) meeting.panel.value = null;
      if (!shortcutsOn.value || event.repeat || event.ctrlKey || event.metaKey || event.altKey || elsewhere(event.target)) return;
      if (act(meeting, event.key.toUpperCase())) event.preventDefault();
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, [meeting]);
}

function act(meeting: Meeting, key: string): boolean {
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
      meeting.panel.value = meeting.panel.value === "people" ? null : "people";
      return true;
    case KEYS.room:
      meeting.panel.value = meeting.panel.value === "room" ? null : "room";
      return true;
    default:
      return false;
  }
}

function elsewhere(target: EventTarget | null): boolean {
  if (document.querySelector("dialog[open]") !== null) return true;
  return target instanceof HTMLElement && target.closest("input, select, textarea, [contenteditable]") !== null;
}
