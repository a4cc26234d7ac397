// What a change of a setting is, and who may make it. Pure. The server decides; this is so that nothing is offered in vain.

import type { Line, SettingView } from "@conclave/sdk";

/** Whether `value` is looser than what holds: values are listed strictest first. */
export function relaxes(setting: SettingView, value: string): boolean {
  return setting.values.indexOf(value) > setting.values.indexOf(setting.value);
}

/** Chosen for a room, it drops the room's own choice: what the organisation says holds again. */
export const FOLLOW = "inherit";

/** Whether the effect of a change is shown before it is made. Following may relax, and only the server knows. */
export function asksFirst(setting: SettingView, value: string): boolean {
  return value === FOLLOW || relaxes(setting, value);
}

/** Whether a room may go back to what its organisation says. */
export function mayFollow(setting: SettingView): boolean {
  return setting.level === "room" && mayChange(setting);
}

/** The server says whether; what has no effect yet or no other value is not offered. */
export function mayChange(setting: SettingView): boolean {
  if (!setting.built || setting.relax === "fixed" || setting.values.length < 2) return false;
  return setting.may_change;
}

/** Where the value that holds comes from. */
export function levelWords(setting: SettingView): string {
  switch (setting.level) {
    case "room":
      return "Set for this room";
    case "organisation":
      return "Set by the organisation";
    case "default":
      return "Default";
  }
}

/** Who may relax it. */
export function whoMay(setting: SettingView): string {
  if (setting.relax === "fixed" || setting.values.length < 2) return "Nobody may change it.";
  if (setting.locked) return "The organisation locked it: rooms cannot change it.";
  return setting.relax === "host" ? "Hosts may change it." : "Only an administrator may change it.";
}

/** The lines that a change would make different. */
export function different(lines: readonly Line[]): Line[] {
  return lines.filter((line) => line.now !== line.then);
}
