// Where a list of settings comes from and goes to: a room from outside, a running room, or the organisation.

import type { Line, SettingView } from "@conclave/sdk";

export interface SettingsSource {
  /** What a value would change for whom; null where that cannot be asked. */
  preview: ((key: string, value: string) => Promise<Line[]>) | null;
  /** Who can get in as it stands; null where that cannot be asked. */
  entry: (() => Promise<Line[]>) | null;
  change: (key: string, value: string) => Promise<void>;
  /** For the organisation: whether rooms may differ. */
  lock?: (setting: SettingView, locked: boolean) => Promise<void>;
}
