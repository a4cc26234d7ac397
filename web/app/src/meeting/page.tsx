// The meeting as a whole: top bar, stage, panel, toolbar, notices and dialogs.

import type { Admitted } from "@conclave/sdk";
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { CaptionsAloud, CaptionsOver } from "../captions/overlay";
import { CaptionsPanel } from "../captions/panel";
import { CaptionSigns } from "../captions/signs";
import { ChatPanel } from "../chat/panel";
import { Badge } from "../ui/badge";
import { Button } from "../ui/button";
import { Confirm, Dialog } from "../ui/dialog";
import { Cross, Grid, Large, Lock, Mark, Pause, Sliders, Unlock, Warning } from "../ui/icons";
import { deviceHelp } from "../words/devices";
import { mediaSaid } from "../words/notices";
import { ROLE } from "../words/people";
import { ConnectionDialog } from "./connection";
import { FactorBanner, ShowPasskey } from "./factor";
import { KEYS, useShortcuts } from "./keys";
import { isLastHost, LeaveDialog } from "./leaving";
import type { Meeting, Panel } from "./model";
import { PeoplePanel } from "./people";
import { PreferencesDialog } from "./preferences";
import { ProfileDialog } from "./profile";
import { RoomPanel } from "./roompanel";
import { ShortcutsDialog } from "./shortcuts";
import { Sound } from "./sound";
import { Stage } from "./stage";
import { Toasts } from "./toasts";
import { Toolbar } from "./toolbar";
import { EndDialog, MuteAllDialog, SuspendDialog } from "./whole";

export function MeetingPage(props: { meeting: Meeting }): JSX.Element | null {
  const { meeting } = props;
  const leaving = useSignal(false);
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
          onClick={() => meeting.open("room", "controls")}
        >
          {room.locked ? <Lock size={18} /> : <Unlock size={18} />}
          <span>{room.locked ? "Locked" : "Open to knocks"}</span>
        </button>
        <CaptionSigns meeting={meeting} room={room} />
        <span class="meeting-me">{meeting.own.value !== undefined && <Badge>You: {ROLE[meeting.own.value.role]}</Badge>}</span>
        {room.count !== undefined && (
          <span class="meeting-count">
            <Badge>{room.count === 1 ? "1 person" : `${room.count} people`}</Badge>
          </span>
        )}
        <Button
          small
          kind="quiet"
          label={meeting.layout.value === "grid" ? "Show the speaker large" : "Show everyone in a grid"}
          shortcut={KEYS.layout}
          onPress={() => meeting.setLayout(meeting.layout.value === "grid" ? "speaker" : "grid")}
        >
          {meeting.layout.value === "grid" ? <Large size={20} /> : <Grid size={20} />}
        </Button>
        <Button small kind="quiet" label="Preferences" onPress={() => (meeting.dialog.value = "preferences")}>
          <Sliders size={20} />
        </Button>
      </header>
      <Banners meeting={meeting} state={state} />
      <Sound meeting={meeting} />
      <main class="meeting-main">
        <Stage meeting={meeting} room={room} speaking={state.speaking} />
        <CaptionsOver meeting={meeting} room={room} />
        <CaptionsAloud meeting={meeting} room={room} />
      </main>
      <Side meeting={meeting} state={state} />
      <Toolbar meeting={meeting} onLeave={leave} />
      <Toasts notices={meeting.notices} />
      {leaving.value && <LeaveDialog meeting={meeting} onClose={() => (leaving.value = false)} />}
      <p class="unseen" role="status" aria-live="polite" aria-label="What was done">
        {meeting.effect.value}
      </p>
      <Dialogs meeting={meeting} />
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

function Dialogs(props: { meeting: Meeting }): JSX.Element | null {
  const { meeting } = props;
  const close = () => (meeting.dialog.value = null);
  const act = meeting.confirming.value;
  if (act?.confirm !== undefined) {
    const { title, text, confirm } = act.confirm;
    return <Confirm title={title} text={text} confirm={confirm} onConfirm={() => meeting.act(act, true)} onClose={() => (meeting.confirming.value = null)} />;
  }
  switch (meeting.dialog.value) {
    case "profile":
      return <ProfileDialog meeting={meeting} onClose={close} />;
    case "preferences":
      return <PreferencesDialog meeting={meeting} onClose={close} />;
    case "connection":
      return <ConnectionDialog meeting={meeting} onClose={close} />;
    case "shortcuts":
      return <ShortcutsDialog meeting={meeting} onClose={close} />;
    case "suspend":
      return <SuspendDialog meeting={meeting} onClose={close} />;
    case "end":
      return <EndDialog meeting={meeting} onClose={close} />;
    case "mute_all":
      return <MuteAllDialog meeting={meeting} onClose={close} />;
    case null:
      return null;
  }
}

function Banners(props: { meeting: Meeting; state: Admitted }): JSX.Element | null {
  const { meeting, state } = props;
  if (state.link === "lost") {
    return (
      <div class="banner banner-warn" role="alert">
        <Warning size={20} />
        <p>The connection was lost. You are being reconnected; until then others may not see or hear you.</p>
      </div>
    );
  }
  if (state.room.suspended === true) {
    return (
      <div class="banner banner-suspended" role="status">
        <Pause size={20} />
        <p>The meeting is suspended: nobody is heard or seen until a host lifts it.</p>
        {meeting.moderates.value && (
          <Button small kind="primary" onPress={() => meeting.doing("The meeting goes on. Everyone turns on their own.", () => meeting.client.liftSuspension())}>
            Lift it
          </Button>
        )}
        {meeting.lacksFactor.value && <ShowPasskey meeting={meeting} small />}
      </div>
    );
  }
  const trouble = mediaSaid(state.media);
  if (trouble !== null) {
    return (
      <div class="banner banner-warn" role="alert">
        <Warning size={20} />
        <p>{trouble.text}</p>
        {trouble.again !== undefined && (
          <Button small onPress={() => meeting.retryMedia()}>
            {trouble.again}
          </Button>
        )}
      </div>
    );
  }
  if (meeting.lacksFactor.value) return <FactorBanner meeting={meeting} />;
  return null;
}

const PANELS: Readonly<Record<Panel, string>> = { people: "People", captions: "Captions", chat: "Chat", room: "Room" };

function Side(props: { meeting: Meeting; state: Admitted }): JSX.Element | null {
  const { meeting, state } = props;
  const panel = meeting.panel.value;
  const heading = useRef<HTMLHeadingElement>(null);
  useLayoutEffect(() => heading.current?.focus(), [panel]);
  if (panel === null) return null;
  return (
    <aside class={`side side-${panel}`} aria-label={PANELS[panel]}>
      <header class="side-head">
        <h2 tabIndex={-1} ref={heading}>
          {PANELS[panel]}
        </h2>
        <Button small kind="quiet" label="Close panel" onPress={() => (meeting.panel.value = null)}>
          <Cross size={18} />
        </Button>
      </header>
      <div class="side-body" tabIndex={panel === "chat" || panel === "captions" ? -1 : 0}>
        {panel === "people" && <PeoplePanel meeting={meeting} room={state.room} />}
        {panel === "captions" && <CaptionsPanel meeting={meeting} room={state.room} />}
        {panel === "chat" && <ChatPanel meeting={meeting} room={state.room} />}
        {panel === "room" && <RoomPanel meeting={meeting} room={state.room} />}
      </div>
    </aside>
  );
}
