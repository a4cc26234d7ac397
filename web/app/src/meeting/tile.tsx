// One person or one shared screen on the stage: picture or niche, name, role, microphone, and who speaks.

import type { ParticipantView } from "@conclave/sdk";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { Picture } from "../devices/picture";
import { Badge } from "../ui/badge";
import { Dots, Hand, MicrophoneOff, Screen, Star } from "../ui/icons";
import { Menu } from "../ui/menu";
import { Portrait } from "../ui/portrait";
import { NOT_CAPTIONED } from "../words/captions";
import { initials, ROLE } from "../words/people";
import { actsOn } from "./acts";
import type { Meeting } from "./model";
import { useSize } from "./size";

export interface TileProps {
  meeting: Meeting;
  participant: ParticipantView;
  source: "camera" | "screen";
  speaking: boolean;
  /** In CSS pixels; without it the tile fills what it is given. */
  size?: { width: number; height: number };
}

export function Tile(props: TileProps): JSX.Element {
  const { meeting, participant, source } = props;
  const own = participant.participant === meeting.room.value?.you;
  const [frame, space] = useSize<HTMLLIElement>();
  const on = participant.sources[source] === "on";
  // Read for the sake of being drawn again when slots move.
  void meeting.tracks.value;
  const state = meeting.state.value;
  const local = state.phase === "admitted" ? state.local[source] : undefined;
  const track = own ? (local ?? null) : on ? meeting.client.track(participant.participant, source) : null;

  useEffect(() => {
    if (own || !on) return undefined;
    const scale = devicePixelRatio;
    meeting.client.look(participant.participant, source, { width: space.width * scale, height: space.height * scale });
    return undefined;
  }, [own, on, space.width, space.height, participant.participant, source]);
  useEffect(() => () => meeting.client.look(participant.participant, source, null), [participant.participant, source, on]);

  const name = own ? `${participant.name} (you)` : participant.name;
  const room = meeting.room.value;
  const acts = room === null ? [] : actsOn(meeting.own.value, participant, room);
  const quiet = participant.sources.microphone !== "on";
  const classes = ["tile", `tile-${source}`];
  if (props.speaking && source === "camera") classes.push("tile-speaking");
  if (!participant.connected) classes.push("tile-away");
  return (
    <li
      ref={frame}
      class={classes.join(" ")}
      style={props.size === undefined ? {} : { width: `${props.size.width}px`, height: `${props.size.height}px` }}
      aria-label={describe(participant, name, source, quiet, props.speaking)}
      data-participant={participant.participant}
      data-source={source}
    >
      {track !== null ? (
        <Picture track={track} mirrored={own && source === "camera"} whole={source === "screen"} label={source === "screen" ? `Screen of ${name}` : `Video of ${name}`} />
      ) : (
        <div class="niche" aria-hidden="true">
          <Face participant={participant} source={source} />
        </div>
      )}
      {!participant.connected && <p class="tile-note">Connection lost</p>}
      <div class="tile-foot" aria-hidden="true">
        <span class="tile-name">
          {quiet && source === "camera" && <MicrophoneOff size={16} />}
          <span>{source === "screen" ? `${name}: screen` : name}</span>
        </span>
        {participant.uncaptioned === true && source === "camera" && <Badge>{NOT_CAPTIONED}</Badge>}
        {source === "camera" && (participant.role !== "attendee" || !participant.signed_in) && <Badge>{ROLE[participant.role]}</Badge>}
      </div>
      {participant.hand && source === "camera" && (
        <span class="tile-hand">
          <Hand size={18} />
        </span>
      )}
      {meeting.room.value?.spotlight === participant.participant && source === "camera" && (
        <span class="tile-spot" aria-hidden="true">
          <Star size={16} />
        </span>
      )}
      {meeting.moderates.value && !own && (
        <Menu
          class="tile-more"
          label={`Options for ${participant.name}`}
          items={[
            ...acts.filter((act) => act.group === "now" || act.group === "place").map((act) => ({ label: act.label, shortcut: act.key, run: () => meeting.act(act) })),
            { label: "All options", run: () => meeting.showPerson(participant.participant) },
            ...acts.filter((act) => act.id === "remove").map((act) => ({ label: "Remove", shortcut: act.key, danger: true, run: () => meeting.act(act) })),
          ]}
        >
          <Dots size={18} />
        </Menu>
      )}
    </li>
  );
}

function Face(props: { participant: ParticipantView; source: "camera" | "screen" }): JSX.Element {
  const { participant, source } = props;
  if (source === "screen") return <Screen size={40} />;
  const { picture } = participant;
  return picture === null ? <span>{initials(participant.name)}</span> : <Portrait id={picture} />;
}

function describe(participant: ParticipantView, name: string, source: "camera" | "screen", quiet: boolean, speaking: boolean): string {
  if (source === "screen") return `Shared screen of ${name}`;
  const parts = [name, ROLE[participant.role].toLowerCase(), quiet ? "microphone off" : speaking ? "speaking" : "microphone on"];
  parts.push(participant.sources.camera === "on" ? "camera on" : "camera off");
  if (participant.uncaptioned === true) parts.push("not captioned");
  if (participant.hand) parts.push("hand raised");
  if (!participant.connected) parts.push("connection lost");
  return parts.join(", ");
}
