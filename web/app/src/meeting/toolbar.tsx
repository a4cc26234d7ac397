// The bottom bar: one's own sources, hand, panels and the way out. Each button says in words what it is and how it stands.

import type { SourceState } from "@conclave/sdk";
import type { ComponentChildren, JSX } from "preact";
import { Camera, CameraOff, Captions, Chat, Hand, Key, Leave, Microphone, MicrophoneOff, People, Screen } from "../ui/icons";
import { askButton } from "../words/notices";
import { KEYS } from "./keys";
import type { Meeting, Panel } from "./model";

export function Toolbar(props: { meeting: Meeting; onLeave: () => void }): JSX.Element {
  const { meeting } = props;
  const own = meeting.own.value;
  const waiting = meeting.waiting.value;
  const changes = meeting.changes.value.length;
  const { unread } = meeting.chat.log.value;
  const wanting = [waiting > 0 ? `${waiting} waiting` : "", changes > 0 ? `${changes} ${changes === 1 ? "change" : "changes"}` : ""].filter(Boolean);
  const toggle = (name: Panel) => (meeting.panel.value === name ? (meeting.panel.value = null) : meeting.open(name));
  return (
    <footer class="tools">
      <div class="toolbar" role="toolbar" aria-label="Meeting" onKeyDown={moveFocus}>
        <SourceButton meeting={meeting} source="microphone" label="Mic" name="Mic" on={<Microphone />} off={<MicrophoneOff />} shortcut={KEYS.microphone} />
        <SourceButton meeting={meeting} source="camera" label="Camera" name="Camera" on={<Camera />} off={<CameraOff />} shortcut={KEYS.camera} />
        <SourceButton meeting={meeting} source="screen" label="Share" name="Share screen" on={<Screen />} off={<Screen />} shortcut={KEYS.screen} />
        <Tool name="Raise hand" label="Hand" pressed={own?.hand ?? false} shortcut={KEYS.hand} onPress={() => void meeting.raiseHand()}>
          <Hand />
        </Tool>
        <span class="toolbar-gap" />
        <Tool
          name={["People", ...wanting].join(", ")}
          label="People"
          pressed={meeting.panel.value === "people"}
          shortcut={KEYS.people}
          onPress={() => toggle("people")}
          count={waiting + changes}
        >
          <People />
        </Tool>
        <Tool name={unread > 0 ? `Chat, ${unread} unread` : "Chat"} label="Chat" pressed={meeting.panel.value === "chat"} shortcut={KEYS.chat} onPress={() => toggle("chat")} count={unread}>
          <Chat />
        </Tool>
        <Tool name="Captions" label="Captions" pressed={meeting.panel.value === "captions"} shortcut={KEYS.captions} onPress={() => toggle("captions")}>
          <Captions />
        </Tool>
        <Tool name="Room" label="Room" pressed={meeting.panel.value === "room"} shortcut={KEYS.room} onPress={() => toggle("room")}>
          <Key />
        </Tool>
        <Tool name="Leave" label="Leave" kind="leave" onPress={props.onLeave}>
          <Leave />
        </Tool>
      </div>
    </footer>
  );
}

/** Arrow keys go from tool to tool, as in any toolbar. */
function moveFocus(event: JSX.TargetedKeyboardEvent<HTMLDivElement>): void {
  const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
  const tools = [...event.currentTarget.querySelectorAll("button")];
  const at = tools.findIndex((tool) => tool === document.activeElement);
  if (step === 0 || at < 0) return;
  event.preventDefault();
  tools[(at + step + tools.length) % tools.length]?.focus();
}

interface SourceButtonProps {
  meeting: Meeting;
  source: "microphone" | "camera" | "screen";
  label: string;
  name: string;
  on: JSX.Element;
  off: JSX.Element;
  shortcut: string;
}

function SourceButton(props: SourceButtonProps): JSX.Element {
  const { meeting, source } = props;
  const sends = meeting.sends(source);
  const state: SourceState = meeting.own.value?.sources[source] ?? "off";
  const asks = !sends && (state === "not_allowed" || state === "withdrawn");
  return (
    <Tool
      name={asks ? `${props.name}: ${askButton(source)}` : props.name}
      label={asks ? "Ask" : props.label}
      pressed={asks ? undefined : sends}
      kind={asks ? "asks" : sends ? "on" : "off"}
      busy={meeting.busy.value.has(source)}
      shortcut={props.shortcut}
      onPress={() => void meeting.toggle(source)}
    >
      {sends ? props.on : props.off}
    </Tool>
  );
}

interface ToolProps {
  name: string;
  label: string;
  children: ComponentChildren;
  onPress: () => void;
  pressed?: boolean | undefined;
  kind?: "on" | "off" | "asks" | "leave";
  busy?: boolean;
  shortcut?: string;
  count?: number;
}

function Tool(props: ToolProps): JSX.Element {
  return (
    <button
      type="button"
      class={`tool${props.kind === undefined ? "" : ` tool-${props.kind}`}`}
      aria-label={props.name}
      aria-pressed={props.pressed}
      aria-busy={props.busy === true}
      aria-keyshortcuts={props.shortcut}
      title={props.shortcut === undefined ? props.name : `${props.name} (${props.shortcut})`}
      onClick={props.onPress}
    >
      <span class="tool-sign">
        {props.children}
        {props.count !== undefined && props.count > 0 && <span class="tool-count" data-count={props.count > 99 ? "99+" : props.count} />}
      </span>
      <span class="tool-label">{props.label}</span>
    </button>
  );
}
