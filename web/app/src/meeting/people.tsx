// The people panel: who waits (for hosts), who is here, and for hosts what they may do to each.

import type { ParticipantView, RoomView } from "@conclave/sdk";
import type { JSX } from "preact";
import { Badge } from "../ui/badge";
import { Camera, Chevron, Hand, Microphone, MicrophoneOff, Screen } from "../ui/icons";
import { ROLE, standing } from "../words/people";
import { Lobby } from "./lobby";
import type { Meeting } from "./model";
import { PersonActions } from "./person";
import { mayActOn } from "./rank";

export function PeoplePanel(props: { meeting: Meeting; room: RoomView }): JSX.Element {
  const { meeting, room } = props;
  const guest = meeting.own.value?.role === "guest";
  return (
    <>
      {meeting.moderates.value && <Lobby meeting={meeting} />}
      <section class="panel-part" aria-label="In the room">
        <h3>In the room {room.count !== undefined && <Badge>{room.count}</Badge>}</h3>
        <ul class="lines">
          {room.participants.map((p) => (
            <Person key={p.participant} participant={p} meeting={meeting} room={room} />
          ))}
        </ul>
        {guest && <p class="hint">As a guest you may not see everyone who is here.</p>}
      </section>
    </>
  );
}

function Person(props: { participant: ParticipantView; meeting: Meeting; room: RoomView }): JSX.Element {
  const { participant, meeting, room } = props;
  const own = participant.participant === room.you;
  const actions = !own && meeting.moderates.value && mayActOn(meeting.own.value, participant);
  const open = actions && meeting.opened.value === participant.participant;
  const id = `person-${participant.participant}`;
  const words = (
    <div class="line-words">
      <p class="line-name">
        {participant.name}
        {own && <span class="hint"> (you)</span>}
      </p>
      <p class="line-notes">
        <Badge>{ROLE[participant.role]}</Badge>
        {!participant.signed_in && <Badge tone="warn">{standing(false)}</Badge>}
        {!participant.connected && <Badge tone="warn">connection lost</Badge>}
      </p>
    </div>
  );
  return (
    <li class="person">
      <div class="line">
        {words}
        <div class="line-signs">
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
          {actions && (
            <button
              type="button"
              class="button button-quiet button-small person-open"
              aria-expanded={open}
              aria-controls={id}
              aria-label={`Options for ${participant.name}`}
              onClick={() => (meeting.opened.value = open ? null : participant.participant)}
            >
              <Chevron size={18} />
            </button>
          )}
        </div>
      </div>
      {open && <PersonActions id={id} participant={participant} meeting={meeting} />}
    </li>
  );
}
