// The room panel. For hosts: lock, suspend, end; the invitation and guest links; the settings; what was done here. Who does not
// host reads how the room is set.

import type { RoomView } from "@conclave/sdk";
import type { JSX } from "preact";
import { AuditView } from "../audit/view";
import { GuestLinks } from "../pages/guestlinks";
import { RoomInvitation } from "../pages/roomcard";
import { SettingsList } from "../settings/list";
import { Presets, type Applied } from "../settings/presets";
import { Button } from "../ui/button";
import { Lock, Pause, Unlock } from "../ui/icons";
import { Tabs } from "../ui/tabs";
import { Bars } from "./bars";
import { FactorPart } from "./factor";
import { HOST_KEYS } from "./keys";
import type { Meeting } from "./model";
import { QualityPanel } from "./quality";
import { settingsOf } from "./settings";
import { stopAllShares } from "./whole";

export function RoomPanel(props: { meeting: Meeting; room: RoomView }): JSX.Element {
  const { meeting, room } = props;
  if (!meeting.moderates.value) {
    return (
      <>
        {meeting.lacksFactor.value && <FactorPart meeting={meeting} controls={[room.locked ? "Unlock the room" : "Lock the room", "Suspend the meeting", "End for everyone"]} />}
        <LockPart meeting={meeting} room={room} />
        <SettingsPart meeting={meeting} room={room} />
      </>
    );
  }
  const tab = meeting.roomTab.value;
  return (
    <Tabs
      label="Room"
      chosen={tab}
      onChoose={(name) => (meeting.roomTab.value = name)}
      tabs={[
        { name: "controls", label: "Controls" },
        { name: "invite", label: "Invite" },
        { name: "quality", label: "Quality" },
        { name: "settings", label: "Settings" },
        { name: "audit", label: "Audit" },
      ]}
    >
      {tab === "controls" && (
        <>
          <LockPart meeting={meeting} room={room} />
          <SuspendPart meeting={meeting} room={room} />
          <SharePart meeting={meeting} room={room} />
          <section class="panel-part" aria-label="End">
            <h3>End</h3>
            <Button wide kind="danger" shortcut={HOST_KEYS.end} onPress={() => (meeting.dialog.value = "end")}>
              End for everyone
            </Button>
          </section>
          <Bars meeting={meeting} />
        </>
      )}
      {tab === "invite" && (
        <>
          <section class="panel-part" aria-label="Invitation">
            <h3>Invite</h3>
            <RoomInvitation room={room.room} mayRead />
          </section>
          <section class="panel-part" aria-label="Guest links">
            <h3>Guest links</h3>
            <GuestLinks room={room.room} />
          </section>
        </>
      )}
      {tab === "quality" && <QualityPanel meeting={meeting} />}
      {tab === "settings" && <SettingsPart meeting={meeting} room={room} />}
      {tab === "audit" && (
        <section class="panel-part" aria-label="Audit">
          <AuditView room={room.room} />
        </section>
      )}
    </Tabs>
  );
}

function LockPart(props: { meeting: Meeting; room: RoomView }): JSX.Element {
  const { meeting, room } = props;
  return (
    <section class="panel-part" aria-label="Lock">
      <div class="lock-state">
        {room.locked ? <Lock size={26} /> : <Unlock size={26} />}
        <div>
          <h3>{room.locked ? "The room is locked" : "The room is open to knocks"}</h3>
          <p class="hint">{room.locked ? "Late knocks wait and are marked. Nobody comes in unless a host lets them." : "Whoever has the link and the password may knock."}</p>
        </div>
      </div>
      {meeting.moderates.value && (
        <Button
          wide
          kind={room.locked ? "plain" : "primary"}
          shortcut={HOST_KEYS.lock}
          onPress={() => meeting.doing(room.locked ? "The room is open to knocks." : "The room is locked.", () => meeting.client.lock(!room.locked))}
        >
          {room.locked ? "Unlock the room" : "Lock the room"}
        </Button>
      )}
    </section>
  );
}

function SuspendPart(props: { meeting: Meeting; room: RoomView }): JSX.Element {
  const { meeting, room } = props;
  const { suspended } = room;
  return (
    <section class={suspended ? "panel-part suspend suspend-now" : "panel-part suspend"} aria-label="Suspend">
      <div class="lock-state">
        <Pause size={26} />
        <div>
          <h3>{suspended ? "The meeting is suspended" : "Something is wrong?"}</h3>
          <p class="hint">{suspended ? "Nobody is heard or seen. Lifting it starts nothing by itself." : "One press stops every microphone, camera and share and locks the room, until a host lifts it."}</p>
        </div>
      </div>
      {suspended ? (
        <Button wide kind="primary" shortcut={HOST_KEYS.suspend} onPress={() => meeting.doing("The meeting goes on. Everyone turns on their own.", () => meeting.client.liftSuspension())}>
          Lift the suspension
        </Button>
      ) : (
        <button type="button" class="suspend-button" aria-keyshortcuts={HOST_KEYS.suspend} onClick={() => (meeting.dialog.value = "suspend")}>
          Suspend the meeting
        </button>
      )}
    </section>
  );
}

/** Sharing in the whole room: who may without asking, and the end of what is shared now. For one person it stands at the person. */
function SharePart(props: { meeting: Meeting; room: RoomView }): JSX.Element {
  const { meeting, room } = props;
  const sharing = room.participants.some((p) => p.sources.screen === "on" || p.sources.screen_audio === "on");
  return (
    <section class="panel-part" aria-label="Sharing">
      <SettingsList source={settingsOf(meeting)} settings={room.settings.filter((setting) => setting.key === "screen_share")} />
      {sharing && (
        <Button wide shortcut={HOST_KEYS.stop_shares} onPress={() => stopAllShares(meeting)}>
          Stop all shares
        </Button>
      )}
    </section>
  );
}

function SettingsPart(props: { meeting: Meeting; room: RoomView }): JSX.Element {
  const { meeting, room } = props;
  const host = meeting.moderates.value;
  return (
    <section class="panel-part" aria-label="Settings">
      <p class="hint">{host ? "Every change is shown to everyone here and written to the audit log." : "You are told whenever one of them is changed."}</p>
      {room.kind === "webinar" && <p class="note">This room is a webinar: whoever is not a host or presenter watches.</p>}
      {host && (
        <Presets
          apply={async (preset) => {
            let applied: Applied | null = null;
            await meeting.attempt(async () => {
              applied = await meeting.client.applyPreset(preset);
            });
            return applied;
          }}
        />
      )}
      <SettingsList source={settingsOf(meeting)} settings={room.settings} />
    </section>
  );
}
