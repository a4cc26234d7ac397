// Light or dark: as the system says, unless the person says otherwise on this device.

import { effect, signal } from "@preact/signals";
import { stored } from "./kept";

export type Theme = "system" | "light" | "dark";

export const THEMES: readonly { value: Theme; label: string }[] = [
  { value: "system", label: "As this device" },
  { value: "light", label: "Light" },
  { value: "dark", label: "Dark" },
];

const STORED = "conclave.theme";

export const theme = signal<Theme>(themeOf(stored.getItem(STORED)));

export function setTheme(wanted: string): void {
  theme.value = themeOf(wanted);
  stored.setItem(STORED, theme.value);
}

/** Before the first picture is drawn, so that nothing flashes. */
export function startTheme(): void {
  effect(() => {
    document.documentElement.dataset["theme"] = theme.value;
  });
}

/** From the system's to light to dark and round again: one button in the head of a page. */
export function nextTheme(now: Theme): Theme {
  const at = THEMES.findIndex((one) => one.value === now);
  return THEMES[(at + 1) % THEMES.length]?.value ?? "system";
}

function themeOf(text: string | null): Theme {
  return text === "light" || text === "dark" ? text : "system";
}
