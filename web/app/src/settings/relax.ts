// What a change of a setting is, and who may make it. Pure. The server decides; this is so that nothing is offered in vain.

import type { PreviewLine, SettingView } from "@conclave/sdk";

/** Whether `value` is looser than what holds: values are listed strictest first. */
export function relaxes(setting: SettingView, value: string): boolean {
  return setting.values.indexOf(value) > setting.values.indexOf(setting.value);
}

export interface Asking {
  /** May change what hosts may change in this place. */
  host: boolean;
  admin: boolean;
  /** The settings of the organisation, not of a room. */
  organisation: boolean;
}

export function mayChange(setting: SettingView, asking: Asking): boolean {
  if (!setting.built || setting.relax === "fixed" || setting.values.length < 2) return false;
  if (asking.organisation) return asking.admin;
  // The server's own word, where it gives one.
  if (setting.may_change !== undefined) return setting.may_change;
  if (setting.locked === true) return false;
  return setting.relax === "host" ? asking.host : asking.admin && asking.host;
}

/** Where the value that holds comes from. */
export function levelWords(setting: SettingView): string | null {
  switch (setting.level) {
    case "room":
      return "Set for this room";
    case "organisation":
      return "Set by the organisation";
    case "default":
      return "Default";
    default:
      return null;
  }
}

/** Who may relax it. */
export function whoMay(setting: SettingView): string {
  if (setting.relax === "fixed" || setting.values.length < 2) return "Nobody may change it.";
  if (setting.locked === true) return "The organisation locked it: rooms cannot change it.";
  return setting.relax === "host" ? "Hosts may change it." : "Only an administrator may change it.";
}

/** The lines that a change would make different. */
export function different(lines: readonly PreviewLine[]): PreviewLine[] {
  return lines.filter((line) => line.now !== line.then);
}
