// The meeting as a whole: top bar, stage, panel, toolbar, notices and dialogs.

import type { Admitted } from "@conclave/sdk";
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { DevicePickers } from "../devices/pickers";
import { Badge } from "../ui/badge";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { Cross, Lock, Mark, Sliders, Unlock, Warning } from "../ui/icons";
import { deviceHelp } from "../words/devices";
import { ROLE } from "../words/people";
import { useShortcuts } from "./keys";
import { isLastHost, LeaveDialog } from "./leaving";
import type { Meeting } from "./model";
import { PeoplePanel } from "./people";
import { RoomPanel } from "./roompanel";
import { Sound } from "./sound";
import { Stage } from "./stage";
import { Toasts } from "./toasts";
import { Toolbar } from "./toolbar";

export function MeetingPage(props: { meeting: Meeting }): JSX.Element | null {
  const { meeting } = props;
  const leaving = useSignal(false);
  const choosing = useSignal(false);
  const title = useRef<HTMLHeadingElement>(null);
  useShortcuts(meeting);
  // Whoever listens hears which room they are in now.
  useEffect(() => title.current?.focus(), []);
  const state = meeting.state.value;
  if (state.phase !== "admitted") return null;
  const { room } = state;
  const trouble = meeting.deviceTrouble.value;
  const leave = () => {
    if (isLastHost(meeting)) leaving.value = true;
    else meeting.client.leave();
  };
  return (
    <div class={meeting.panel.value === null ? "meeting" : "meeting meeting-panel"}>
      <header class="meeting-head">
        <Mark size={26} />
        <h1 tabIndex={-1} ref={title}>
          {room.title}
        </h1>
        <button
          type="button"
          class={room.locked ? "lock-chip lock-chip-locked" : "lock-chip"}
          aria-label={room.locked ? "The room is locked. Open the room panel" : "The room is open to knocks. Open the room panel"}
          onClick={() => (meeting.panel.value = "room")}
        >
          {room.locked ? <Lock size={18} /> : <Unlock size={18} />}
          <span>{room.locked ? "Locked" : "Open to knocks"}</span>
        </button>
        <span class="meeting-me">{meeting.own.value !== undefined && <Badge>You: {ROLE[meeting.own.value.role]}</Badge>}</span>
        {room.count !== undefined && <Badge>{room.count === 1 ? "1 person" : `${room.count} people`}</Badge>}
        <Button small kind="quiet" label="Devices" onPress={() => (choosing.value = true)}>
          <Sliders size={20} />
        </Button>
      </header>
      <Banners state={state} />
      <Sound meeting={meeting} />
      <main class="meeting-main">
        <Stage meeting={meeting} room={room} speaking={state.speaking} />
      </main>
      <Side meeting={meeting} state={state} />
      <Toolbar meeting={meeting} onLeave={leave} />
      <Toasts notices={meeting.notices} />
      {leaving.value && <LeaveDialog meeting={meeting} onClose={() => (leaving.value = false)} />}
      {choosing.value && (
        <Dialog title="Devices" onClose={() => (choosing.value = false)}>
          <DevicePickers version={0} onMicrophone={() => void meeting.swap("microphone")} onCamera={() => void meeting.swap("camera")} />
        </Dialog>
      )}
      {trouble !== null && (
        <Dialog title={deviceHelp(trouble).title} onClose={() => (meeting.deviceTrouble.value = null)}>
          {deviceHelp(trouble).steps.map((step) => (
            <p key={step}>{step}</p>
          ))}
        </Dialog>
      )}
    </div>
  );
}

function Banners(props: { state: Admitted }): JSX.Element | null {
  const { state } = props;
  if (state.link === "lost") {
    return (
      <div class="banner banner-warn" role="alert">
        <Warning size={20} />
        <p>The connection was lost. You are being reconnected; until then others may not see or hear you.</p>
      </div>
    );
  }
  if (state.media === "failed") {
    return (
      <div class="banner banner-warn" role="alert">
        <Warning size={20} />
        <p>Sound and pictures do not get through. They are being set up again.</p>
      </div>
    );
  }
  return null;
}

function Side(props: { meeting: Meeting; state: Admitted }): JSX.Element | null {
  const { meeting, state } = props;
  const panel = meeting.panel.value;
  const heading = useRef<HTMLHeadingElement>(null);
  useLayoutEffect(() => heading.current?.focus(), [panel]);
  if (panel === null) return null;
  return (
    <aside class="side" aria-label={panel === "people" ? "People" : "Room"}>
      <header class="side-head">
        <h2 tabIndex={-1} ref={heading}>
          {panel === "people" ? "People" : "Room"}
        </h2>
        <Button small kind="quiet" label="Close panel" onPress={() => (meeting.panel.value = null)}>
          <Cross size={18} />
        </Button>
      </header>
      <div class="side-body">
        {panel === "people" ? <PeoplePanel meeting={meeting} room={state.room} /> : <RoomPanel meeting={meeting} room={state.room} />}
      </div>
    </aside>
  );
}
