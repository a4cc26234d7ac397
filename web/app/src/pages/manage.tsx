// One own room from outside a meeting: its settings, its guest links, and what was done there.

import { api, type Preset, type RoomEntry, type SettingView } from "@conclave/sdk";
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { AuditView } from "../audit/view";
import { Speech } from "../captions/speech";
import { Transcripts } from "../captions/transcripts";
import { go, type ManagePart } from "../route";
import { SettingsList } from "../settings/list";
import { Presets, type Applied } from "../settings/presets";
import type { SettingsSource } from "../settings/source";
import { Button } from "../ui/button";
import { textOf } from "../ui/failure";
import { Tabs } from "../ui/tabs";
import { useTurns } from "../ui/turns";
import { Frame } from "./frame";
import { GuestLinks } from "./guestlinks";
import { MessagePage } from "./message";
import { StreamTokens } from "./streamtokens";

const PARTS: Readonly<Record<ManagePart, string>> = { settings: "Settings", links: "Guest links", streams: "Streams", captions: "Captions", transcripts: "Transcripts", audit: "Audit" };

export function ManagePage(props: { room: string; part: ManagePart }): JSX.Element {
  const room = useSignal<RoomEntry | null | undefined>(undefined);
  const settings = useSignal<SettingView[] | null>(null);
  const trouble = useSignal<string | null>(null);
  const turns = useTurns();
  const load = async () => {
    settings.value = (await turns.begin(api.roomSettings(props.room))) ?? settings.value;
  };
  const attempt = async (work: () => Promise<void>) => {
    trouble.value = null;
    try {
      await work();
    } catch (failure) {
      trouble.value = textOf(failure);
    }
  };
  useEffect(() => {
    void attempt(async () => {
      room.value = (await api.rooms()).find((one) => one.id === props.room) ?? null;
      if (room.value !== null) await load();
    });
  }, [props.room]);
  if (room.value === null) {
    return (
      <MessagePage title="This room is not yours" text="It does not exist, or you do not host it.">
        <Button kind="primary" onPress={() => go("/")}>
          To your rooms
        </Button>
      </MessagePage>
    );
  }
  const applyPreset = async (preset: Preset): Promise<Applied | null> => {
    let applied: Applied | null = null;
    await attempt(async () => {
      applied = await api.applyRoomPreset(props.room, preset);
      await load();
    });
    return applied;
  };
  const source: SettingsSource = {
    preview: (key, value) => api.previewRoomSetting(props.room, key, value),
    entry: () => api.roomEntry(props.room),
    change: (key, value) =>
      attempt(async () => {
        await api.changeRoomSetting(props.room, key, value);
        // One change may move what holds elsewhere.
        await load();
      }),
  };
  return (
    <Frame>
      <div class="page-head">
        <div>
          <h1>{room.value?.title ?? "One moment"}</h1>
          <p class="lead">How this room is set, who has a link of their own, and what was decided in it.</p>
        </div>
        <div class="page-actions">
          <Button onPress={() => go("/")}>All rooms</Button>
          <Button kind="primary" onPress={() => go(`/r/${props.room}`)}>
            Open the room
          </Button>
        </div>
      </div>
      {trouble.value !== null && (
        <p class="alert" role="alert">
          {trouble.value}
        </p>
      )}
      <Tabs
        label="Parts of this room"
        chosen={props.part}
        onChoose={(part) => go(`/r/${props.room}/${part}`)}
        tabs={[
          { name: "settings", label: "Settings" },
          { name: "links", label: "Guest links" },
          { name: "streams", label: "Streams" },
          { name: "captions", label: "Captions" },
          { name: "transcripts", label: "Transcripts" },
          { name: "audit", label: "Audit" },
        ]}
      >
        <section class="card">
          <h2 class="unseen">{PARTS[props.part]}</h2>
          {props.part === "settings" && (settings.value === null ? (
            <p class="hint">One moment.</p>
          ) : (
            <>
              <Presets apply={applyPreset} />
              <SettingsList settings={settings.value} source={source} />
            </>
          ))}
          {props.part === "links" && <GuestLinks room={props.room} />}
          {props.part === "streams" && <StreamTokens room={props.room} />}
          {props.part === "captions" && <Speech room={props.room} />}
          {props.part === "transcripts" && <Transcripts room={props.room} />}
          {props.part === "audit" && <AuditView room={props.room} />}
        </section>
      </Tabs>
    </Frame>
  );
}
