// What a host may do to one person, each with its key, its words and what to confirm first. One list serves the panel, the menu
// on the tile and the keyboard. Nothing here can turn something on for another person.

import type { Conclave, ParticipantView, Role, RoomView, Source } from "@conclave/sdk";
import { ROLE } from "../words/people";
import { mayActOn, rankOf } from "./rank";

export interface Act {
  id: string;
  /** Pressed while the person has the focus. */
  key: string;
  label: string;
  group: "now" | "rights" | "place" | "role" | "out";
  /** Said to those who listen, once it is done. */
  done: string;
  confirm?: { title: string; text: string; confirm: string };
  run: (client: Conclave) => Promise<unknown>;
}

const RIGHTS: readonly { source: Source; key: string; verb: string }[] = [
  { source: "microphone", key: "U", verb: "speak" },
  { source: "camera", key: "C", verb: "show video" },
  { source: "screen", key: "D", verb: "share the screen" },
];

const GIVEN: readonly { role: Role; key: string }[] = [
  { role: "attendee", key: "1" },
  { role: "presenter", key: "2" },
  { role: "host", key: "3" },
];

/** What `own` may do to `person`; the server decides in the end. */
export function actsOn(own: ParticipantView | undefined, person: ParticipantView, room: RoomView): Act[] {
  if (own === undefined || person.participant === own.participant) return [];
  if ((own.role !== "owner" && own.role !== "host") || room.lacks_factor === true) return [];
  const below = mayActOn(own, person);
  return [...spotlight(person, room), ...(below ? [...cuts(person), ...rights(person), ...roles(own, person), ...out(own, person)] : [])];
}

export function actFor(acts: readonly Act[], key: string): Act | undefined {
  return acts.find((act) => act.key === key.toUpperCase());
}

function cuts(person: ParticipantView): Act[] {
  const { participant: id, name, sources } = person;
  const acts: Act[] = [];
  if (sources.microphone === "on") {
    acts.push({ id: "mute", key: "M", label: "Mute", group: "now", done: `${name} is muted and can no longer be heard.`, run: (client) => client.mute(id) });
  }
  if (sources.camera === "on") {
    acts.push({ id: "pause", key: "V", label: "Pause video", group: "now", done: `The video of ${name} is paused.`, run: (client) => client.pauseVideo(id) });
  }
  if (sources.screen === "on" || sources.screen_audio === "on") {
    acts.push({ id: "stop_share", key: "S", label: "Stop share", group: "now", done: `The screen of ${name} is no longer shared.`, run: (client) => client.stopShare(id) });
  }
  return acts;
}

function rights(person: ParticipantView): Act[] {
  return RIGHTS.map(({ source, key, verb }) => {
    const allowed = person.sources[source] === "off" || person.sources[source] === "on";
    return {
      id: `right.${source}`,
      key,
      label: allowed ? `Do not allow to ${verb}` : `Allow to ${verb}`,
      group: "rights",
      done: allowed ? `${person.name} may no longer ${verb}.` : `${person.name} may ${verb}. Nothing starts until they turn it on.`,
      run: (client) => client.allow(person.participant, source, !allowed),
    };
  });
}

function spotlight(person: ParticipantView, room: RoomView): Act[] {
  const lit = room.spotlight === person.participant;
  return [
    {
      id: "spotlight",
      key: "L",
      label: lit ? "End the spotlight" : "Spotlight for everyone",
      group: "place",
      done: lit ? `${person.name} is no longer in the spotlight.` : `${person.name} is shown large to everyone.`,
      run: (client) => client.spotlight(lit ? null : person.participant),
    },
  ];
}

function roles(own: ParticipantView, person: ParticipantView): Act[] {
  if (person.role === "guest" || person.role === "observer") return [];
  return GIVEN.filter(({ role }) => role !== person.role && rankOf(role) < rankOf(own.role)).map(({ role, key }) => ({
    id: `role.${role}`,
    key,
    label: `Make ${ROLE[role].toLowerCase()}`,
    group: "role",
    done: `${person.name} is now ${ROLE[role].toLowerCase()}.`,
    run: (client) => client.setRole(person.participant, role),
  }));
}

function out(own: ParticipantView, person: ParticipantView): Act[] {
  const { participant: id, name } = person;
  const acts: Act[] = [];
  if (own.role === "owner" && person.signed_in) {
    acts.push({
      id: "transfer",
      key: "O",
      label: "Make owner of the room",
      group: "out",
      done: `${name} owns the room now.`,
      confirm: { title: `Hand the room to ${name}?`, text: "They become its owner and you become a host. Only they can give it back.", confirm: "Hand over the room" },
      run: (client) => client.transferOwnership(id),
    });
  }
  acts.push({
    id: "send_back",
    key: "W",
    label: "Send back to the waiting room",
    group: "out",
    done: `${name} waits outside again, and hears and sees nothing of the room.`,
    confirm: { title: `Send ${name} back to the waiting room?`, text: "They are cut off at once and wait until a host lets them in again.", confirm: "Send back" },
    run: (client) => client.sendBack(id),
  });
  acts.push({
    id: "remove",
    key: "X",
    label: "Remove from the room",
    group: "out",
    done: `${name} was removed.`,
    confirm: {
      title: `Remove ${name}?`,
      text: "They are cut off at once, on every device, and cannot come back into this session unless the settings of the room say so.",
      confirm: "Remove",
    },
    run: (client) => client.remove(id),
  });
  acts.push({
    id: "bar",
    key: "B",
    label: "Remove and bar for good",
    group: "out",
    done: `${name} was removed and barred from this room.`,
    confirm: {
      title: `Remove and bar ${name}?`,
      text: "They are cut off at once. Their account, guest link and device cannot knock at this room again, today or later, until a host lifts the bar.",
      confirm: "Remove and bar",
    },
    run: (client) => client.remove(id, true),
  });
  return acts;
}
