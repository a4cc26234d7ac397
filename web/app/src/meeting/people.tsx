// The people panel: who is here, and for hosts who waits, whose change waits, and what they may do to each.

import type { ParticipantView, RoomView } from "@conclave/sdk";
import type { JSX } from "preact";
import { Avatar } from "../ui/avatar";
import { Badge } from "../ui/badge";
import { Button } from "../ui/button";
import { Camera, Chevron, Hand, Microphone, MicrophoneOff, Screen, Star } from "../ui/icons";
import { Tabs } from "../ui/tabs";
import { NOT_CAPTIONED } from "../words/captions";
import { ROLE, standing } from "../words/people";
import { actsOn } from "./acts";
import { Changes } from "./changes";
import { FactorPart } from "./factor";
import { HOST_KEYS } from "./keys";
import { Lobby } from "./lobby";
import type { Meeting } from "./model";
import { PersonActions } from "./person";
import { stopAllShares } from "./whole";

export function PeoplePanel(props: { meeting: Meeting; room: RoomView }): JSX.Element {
  const { meeting, room } = props;
  if (meeting.lacksFactor.value) {
    return (
      <>
        <FactorPart meeting={meeting} controls={["See who waits and let them in", "Mute everyone"]} />
        <InRoom meeting={meeting} room={room} />
      </>
    );
  }
  if (!meeting.moderates.value) return <InRoom meeting={meeting} room={room} />;
  const changes = meeting.changes.value.length;
  const tab = meeting.peopleTab.value;
  return (
    <Tabs
      label="People"
      chosen={tab}
      onChoose={(name) => (meeting.peopleTab.value = name)}
      tabs={[
        { name: "people", label: "In the room" },
        { name: "waiting", label: "Waiting", count: meeting.waiting.value },
        { name: "changes", label: "Changes", count: changes },
      ]}
    >
      {tab === "people" && <InRoom meeting={meeting} room={room} />}
      {tab === "waiting" && <Lobby meeting={meeting} />}
      {tab === "changes" && <Changes meeting={meeting} />}
    </Tabs>
  );
}

function InRoom(props: { meeting: Meeting; room: RoomView }): JSX.Element {
  const { meeting, room } = props;
  const guest = meeting.own.value?.role === "guest";
  const sharing = room.participants.some((p) => p.sources.screen === "on" || p.sources.screen_audio === "on");
  return (
    <section class="panel-part" aria-label="In the room">
      <h3>In the room {room.count !== undefined && <Badge>{room.count}</Badge>}</h3>
      {meeting.moderates.value && (
        <div class="action-row">
          <Button small shortcut={HOST_KEYS.mute_all} onPress={() => (meeting.dialog.value = "mute_all")}>
            Mute everyone…
          </Button>
          {sharing && (
            <Button small shortcut={HOST_KEYS.stop_shares} onPress={() => stopAllShares(meeting)}>
              Stop all shares
            </Button>
          )}
        </div>
      )}
      <ul class="lines people" onKeyDown={moveFocus}>
        {room.participants.map((p) => (
          <Person key={p.participant} participant={p} meeting={meeting} room={room} />
        ))}
      </ul>
      {guest && <p class="hint">As a guest you may not see everyone who is here.</p>}
    </section>
  );
}

/** Up and down go from person to person. */
function moveFocus(event: JSX.TargetedKeyboardEvent<HTMLUListElement>): void {
  const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
  if (step === 0 || !(event.target instanceof HTMLElement) || !event.target.matches(".person-open")) return;
  const openers = [...event.currentTarget.querySelectorAll<HTMLElement>(".person-open")];
  const next = openers[openers.indexOf(event.target) + step];
  if (next === undefined) return;
  event.preventDefault();
  next.focus();
}

function Person(props: { participant: ParticipantView; meeting: Meeting; room: RoomView }): JSX.Element {
  const { participant, meeting, room } = props;
  const own = participant.participant === room.you;
  const acts = actsOn(meeting.own.value, participant, room);
  const open = acts.length > 0 && meeting.opened.value === participant.participant;
  const id = `person-${participant.participant}`;
  return (
    <li class="person" data-participant={participant.participant}>
      <div class="line">
        <Avatar name={participant.name} picture={participant.picture} />
        <div class="line-words">
          <p class="line-name">
            {participant.name}
            {own && <span class="hint"> (you)</span>}
          </p>
          <p class="line-notes">
            <Badge>{ROLE[participant.role]}</Badge>
            {!participant.signed_in && <Badge tone="warn">{standing(false)}</Badge>}
            {participant.uncaptioned === true && <Badge>{NOT_CAPTIONED}</Badge>}
            {!participant.connected && <Badge tone="warn">connection lost</Badge>}
          </p>
        </div>
        <div class="line-signs">
          <Signs participant={participant} room={room} />
          {acts.length > 0 && (
            <button
              type="button"
              class="button button-quiet button-small person-open"
              aria-expanded={open}
              aria-controls={open ? id : undefined}
              aria-label={`Options for ${participant.name}`}
              aria-keyshortcuts={acts.map((act) => act.key).join(" ")}
              onClick={() => (meeting.opened.value = open ? null : participant.participant)}
            >
              <Chevron size={18} />
            </button>
          )}
          {own && (
            <Button small kind="quiet" label="Change your name or picture" onPress={() => (meeting.dialog.value = "profile")}>
              Change
            </Button>
          )}
        </div>
      </div>
      {open && <PersonActions id={id} participant={participant} meeting={meeting} acts={acts} />}
    </li>
  );
}

function Signs(props: { participant: ParticipantView; room: RoomView }): JSX.Element {
  const { participant, room } = props;
  return (
    <>
      {room.spotlight === participant.participant && (
        <span class="sign sign-hand" role="img" aria-label="In the spotlight">
          <Star size={18} />
        </span>
      )}
      {participant.hand && (
        <span class="sign sign-hand" role="img" aria-label="Hand raised">
          <Hand size={18} />
        </span>
      )}
      {participant.sources.screen === "on" && (
        <span class="sign" role="img" aria-label="Shares a screen">
          <Screen size={18} />
        </span>
      )}
      {participant.sources.camera === "on" && (
        <span class="sign" role="img" aria-label="Camera on">
          <Camera size={18} />
        </span>
      )}
      <span class="sign" role="img" aria-label={participant.sources.microphone === "on" ? "Microphone on" : "Microphone off"}>
        {participant.sources.microphone === "on" ? <Microphone size={18} /> : <MicrophoneOff size={18} />}
      </span>
    </>
  );
}
