// The settings of the running room, asked and changed over the meeting's own connection, so that everyone is told at once.

import type { SettingsSource } from "../settings/source";
import type { Meeting } from "./model";

export function settingsOf(meeting: Meeting): SettingsSource {
  return {
    preview: (key, value) => meeting.client.previewSetting(key, value),
    entry: meeting.moderates.value ? () => meeting.client.entry() : null,
    change: async (key, value) => {
      await meeting.attempt(() => meeting.client.setSetting(key, value));
    },
  };
}
