// What the client takes from the browser, in one value, so that tests can give it something else.

import { me } from "./api";
import { openWebSocket, type OpenSocket } from "./socket";
import { sessionTabStore, type TabStore } from "./tab";
import { browserTransport, type MakeTransport } from "./media/transport";

export interface Environment {
  open: OpenSocket;
  tab: TabStore;
  transport: MakeTransport;
  signedIn(): Promise<boolean>;
  random?: () => number;
}

export function browserEnvironment(): Environment {
  return {
    open: openWebSocket,
    tab: sessionTabStore(sessionStorage),
    transport: browserTransport,
    signedIn: async () => (await me()) !== null,
  };
}

/** The address of the WebSocket beside this page. */
export function socketUrl(location: Location): string {
  return `${location.protocol === "http:" ? "ws" : "wss"}://${location.host}/ws`;
}
