// How most stories begin: a server of its own, everyone at their own computer, an account for each, and a room of the first of them.

import { Seat } from "./browser.js";
import { Fox } from "./firefox.js";
import { Relay } from "./relay.js";
import { startServer, type Server } from "./server.js";
import { button, enter, inviteMember, isIn, knock, makeAccount, makeRoom, PASSWORD, waits, type RoomKeys } from "./steps.js";

/** How far everyone has come: all have accounts; the owner is in the room; everyone with an account is. */
export type Stage = "accounts" | "entered" | "in";

export interface Plan<Who extends string> {
  readonly stage: Stage;
  readonly title?: string;
  /** They sit down, and have no account. */
  readonly strangers?: readonly Who[];
  /** What this one sends and gets goes through a relay, at the port if one is named. */
  readonly relay?: { readonly who: Who; readonly port?: number };
  /** The name of somebody who comes with Firefox. */
  readonly firefox?: string;
  /** Firefox has a sound device. */
  readonly speaker?: true;
  /** What those say who speak: a file each. */
  readonly voices?: Readonly<Partial<Record<Who, string>>>;
  /** Of the server, by the names of its environment. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Everyone but the owner has a window of one browser: that many browsers would be too much for a small machine. */
  readonly oneBrowser?: true;
}

export interface Opening<Who extends string> {
  readonly server: Server;
  readonly room: RoomKeys;
  readonly seats: Readonly<Record<Who, Seat>>;
  /** As the plan asked for it. */
  readonly relay: Relay;
  readonly fox: Fox;
  close(): Promise<void>;
}

/** Where mail for one of the people of a story would go. */
export function mailOf(who: string): string {
  return `${who}@example.org`;
}

/** `people` gives names to parts; the first is the owner of the room. */
export async function opening<Who extends string>(people: Readonly<Record<Who, string>>, plan: Plan<NoInfer<Who>>): Promise<Opening<Who>> {
  const [owner, ...others] = Object.keys(people) as Who[];
  if (owner === undefined) throw new Error("a story needs somebody");
  const server = await startServer(plan.settings);
  let relay: Relay | undefined;
  let fox: Fox | undefined;
  const seats = {} as Record<Who, Seat>;
  const close = async (): Promise<void> => {
    // Windows before their browser.
    await Promise.all(others.map((who) => seats[who]?.leave()).reverse());
    await Promise.all([seats[owner]?.leave(), fox?.leave()]);
    relay?.close();
    await server.stop();
  };
  try {
    relay = plan.relay === undefined ? undefined : await Relay.open(Number(new URL(server.origin).port), plan.relay.port);
    const take = async (who: Who): Promise<void> => {
      const voice = plan.voices?.[who];
      const beside = plan.oneBrowser === undefined || who === others[0] ? undefined : others[0] && seats[others[0]];
      seats[who] = await Seat.take({ ...(voice === undefined ? {} : { voice }), ...(plan.relay?.who === who && relay !== undefined ? { relay: relay.port } : {}), ...(beside === undefined ? {} : { beside }) });
    };
    await Promise.all([owner, ...others.slice(0, 1)].map(take));
    await Promise.all(others.slice(1).map(take));
    if (plan.firefox !== undefined) fox = await Fox.take(plan.speaker === true);
    const host = seats[owner];
    await makeAccount(host, server.ownerLink, people[owner], mailOf(owner));
    const room = await makeRoom(host, plan.title ?? "Board");
    await button(host.page, "Done").click();
    const members = others.filter((who) => !(plan.strangers ?? []).includes(who));
    for (const who of members) await makeAccount(seats[who], await inviteMember(host), people[who], mailOf(who));
    if (plan.firefox !== undefined) await fox?.makeAccount(await inviteMember(host), plan.firefox, mailOf("firefox"), PASSWORD);
    if (plan.stage !== "accounts") await enter(host, room.link);
    if (plan.stage === "in") for (const who of members) await letIn(host, seats[who], room);
    if (plan.stage === "in" && fox !== undefined) {
      await fox.knock(room);
      await button(host.page, "Let in").click();
      await fox.isIn();
    }
    return {
      server,
      room,
      seats,
      get relay() {
        return planned(relay);
      },
      get fox() {
        return planned(fox);
      },
      close,
    };
  } catch (failure) {
    await close();
    throw failure;
  }
}

/** Somebody knocks, and the host opens the door. */
export async function letIn(host: Seat, seat: Seat, room: RoomKeys): Promise<void> {
  await seat.page.goto(room.link);
  await knock(seat, room.password);
  await waits(seat);
  await button(host.page, "Let in").click();
  await isIn(seat);
}

function planned<Thing>(thing: Thing | undefined): Thing {
  if (thing === undefined) throw new Error("the plan of the story has none");
  return thing;
}
