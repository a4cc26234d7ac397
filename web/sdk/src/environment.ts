// What the client takes from the browser, in one value, so that tests can give it something else.

import { me } from "./api";
import { prove } from "./key";
import { openWebSocket, type OpenSocket } from "./socket";
import { sessionTabStore, type TabStore } from "./tab";
import { browserTransport, type MakeTransport } from "./media/transport";

export interface Environment {
  open: OpenSocket;
  tab: TabStore;
  transport: MakeTransport;
  signedIn(): Promise<boolean>;
  /** Signs what the server gives a new connection to sign; at once, or soon. */
  prove(nonce: string): Promise<string> | string;
  random?: () => number;
}

export function browserEnvironment(): Environment {
  return {
    open: openWebSocket,
    tab: sessionTabStore(sessionStorage),
    transport: browserTransport,
    signedIn: async () => (await me()) !== null,
    prove: (nonce) => prove("GET", `${location.origin}/ws`, nonce),
  };
}

/** The address of the WebSocket beside this page. */
export function socketUrl(location: Pick<Location, "protocol" | "host">): string {
  return `${location.protocol === "http:" ? "ws" : "wss"}://${location.host}/ws`;
}
