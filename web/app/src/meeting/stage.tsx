// The stage: a grid of people; or one of them large, or a shared screen, with the others in a strip beside it. Who does not fit is
// counted and found in the people panel.

import type { ParticipantView, RoomView } from "@conclave/sdk";
import type { JSX } from "preact";
import { useRef } from "preact/hooks";
import { mainOf } from "./focus";
import { capacityOf, gridOf } from "./layout";
import type { Meeting } from "./model";
import { useSize } from "./size";
import { Tile } from "./tile";

const GAP = 10;
const SMALLEST = 150;
const MOST = 16;
const STRIP_MOST = 6;

export function Stage(props: { meeting: Meeting; room: RoomView; speaking: readonly string[] }): JSX.Element {
  const { meeting, room, speaking } = props;
  const [space, { width, height }] = useSize<HTMLDivElement>();
  const screens = room.participants.filter((p) => p.sources.screen === "on");
  const people = ordered(room, speaking);
  const shared = screens[0];
  const last = useRef<string | null>(null);
  const main = mainOf(room, speaking, last.current);
  last.current = main?.participant ?? null;
  if (shared !== undefined) {
    const shown = people.slice(0, STRIP_MOST);
    return (
      <div class="stage stage-shared">
        <ul class="stage-screens" aria-label="Shared screens">
          {screens.slice(0, 2).map((p) => (
            <Tile key={p.participant} meeting={meeting} participant={p} source="screen" speaking={false} />
          ))}
        </ul>
        <ul class="stage-strip" aria-label="People">
          {shown.map((p) => (
            <Tile key={p.participant} meeting={meeting} participant={p} source="camera" speaking={speaking.includes(p.participant)} />
          ))}
          <More meeting={meeting} count={people.length - shown.length} />
        </ul>
      </div>
    );
  }
  if (meeting.layout.value === "speaker" && main !== undefined && people.length > 1) {
    const others = people.filter((p) => p.participant !== main.participant);
    const shown = others.slice(0, STRIP_MOST);
    return (
      <div class="stage stage-shared">
        <ul class="stage-screens" aria-label={main.participant === room.spotlight ? "In the spotlight" : "Speaker"}>
          <Tile key={main.participant} meeting={meeting} participant={main} source="camera" speaking={speaking.includes(main.participant)} />
        </ul>
        <ul class="stage-strip" aria-label="People">
          {shown.map((p) => (
            <Tile key={p.participant} meeting={meeting} participant={p} source="camera" speaking={speaking.includes(p.participant)} />
          ))}
          <More meeting={meeting} count={others.length - shown.length} />
        </ul>
      </div>
    );
  }
  const capacity = capacityOf(width, height, GAP, SMALLEST, Math.min(MOST, people.length));
  const shown = people.slice(0, capacity < people.length ? Math.max(1, capacity - 1) : capacity);
  const hidden = people.length - shown.length;
  const grid = gridOf(shown.length + (hidden > 0 ? 1 : 0), width, height, GAP);
  const size = { width: grid.width, height: grid.height };
  return (
    <div class="stage">
      <div class="stage-space" ref={space}>
        <ul class="stage-grid" aria-label="People" style={{ gap: `${GAP}px` }}>
          {shown.map((p) => (
            <Tile key={p.participant} meeting={meeting} participant={p} source="camera" speaking={speaking.includes(p.participant)} size={size} />
          ))}
          <More meeting={meeting} count={hidden} size={size} />
        </ul>
      </div>
      {people.length === 1 && <p class="stage-alone">{aloneWords(meeting)}</p>}
    </div>
  );
}

function More(props: { meeting: Meeting; count: number; size?: { width: number; height: number } }): JSX.Element | null {
  if (props.count < 1) return null;
  return (
    <li class="tile tile-more-people" style={props.size === undefined ? {} : { width: `${props.size.width}px`, height: `${props.size.height}px` }}>
      <button type="button" onClick={() => props.meeting.open("people", "people")}>
        and {props.count} more
      </button>
    </li>
  );
}

/** Stable, so that nobody jumps about: who speaks or shows a picture comes before who does neither, oneself second to last. */
export function ordered(room: RoomView, speaking: readonly string[]): ParticipantView[] {
  const rank = (p: ParticipantView): number => {
    if (p.participant === room.you) return 1;
    if (p.sources.camera === "on") return 0;
    if (speaking.includes(p.participant) || p.sources.microphone === "on" || p.hand) return 2;
    return p.role === "owner" || p.role === "host" ? 3 : 4;
  };
  return room.participants
    .map((p, at) => ({ p, at }))
    .sort((a, b) => rank(a.p) - rank(b.p) || a.at - b.at)
    .map(({ p }) => p);
}

function aloneWords(meeting: Meeting): string {
  return meeting.moderates.value ? "You are the only one here. Send the link and the password from the room panel; you will see here who knocks." : "You see nobody else yet.";
}
