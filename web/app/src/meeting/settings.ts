// The settings of the running room, asked and changed over the meeting's own connection, so that everyone is told at once.

import { api, type RoomView } from "@conclave/sdk";
import type { SettingsSource } from "../settings/source";
import type { Meeting } from "./model";

export function settingsOf(meeting: Meeting, room: RoomView): SettingsSource {
  const host = meeting.moderates.value;
  return {
    mayChange: host,
    preview: (key, value) => meeting.client.previewSetting(key, value),
    entry: host ? () => api.roomEntry(room.room) : null,
    change: async (key, value) => {
      await meeting.attempt(() => meeting.client.setSetting(key, value));
    },
  };
}
