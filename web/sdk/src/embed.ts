// Joining from a page of another product: its server asks for a token that is bound to the key of this browser, and the page exchanges it.
// No cookie is involved, and nothing here works without the key.

import { Conclave } from "./conclave";
import { socketUrl, type Environment } from "./environment";
import { CallFailed, UNREACHABLE, type FailureCode } from "./failure";
import { prove, thumbprint } from "./key";
import type { MediaPreferences } from "./media/preferences";
import { browserTransport } from "./media/transport";
import { refusal } from "./request";
import { openWebSocketAs } from "./socket";
import type { TabStore } from "./tab";

export interface TokenJoin {
  /** The address of the server, such as `https://meet.example.org`. */
  server: string;
  /** Good once, for a minute, with the key of this browser. */
  token: string;
  /** Of the room, where it asks for one. */
  password?: string;
  media?: MediaPreferences;
}

/** What came of a token; it is renewed before it is used again. */
interface Joined {
  session: string;
  renewal: string;
  room: string;
}

/** Makes the key of this browser, which nobody can read out, if there is none. Gives its thumbprint, for which the token is to be made. */
export function prepareJoin(): Promise<string> {
  return thumbprint();
}

/** Exchanges the token, and comes to the door of its room. After a reload of the page it takes another token. */
export async function joinWithToken(options: TokenJoin): Promise<Conclave> {
  const { server, token, ...rest } = options;
  const address = new URL(server);
  const ask = exchange(address.origin);
  let joined = await ask("/v1/join", { token });
  const environment: Environment = {
    open: (url, handlers) => openWebSocketAs(joined.session, url, handlers),
    tab: memory(),
    transport: browserTransport,
    signedIn: async () => {
      try {
        joined = await ask("/v1/join/renew", { renewal: joined.renewal });
        return true;
      } catch (failure) {
        if (failure instanceof CallFailed && OVER.includes(failure.code)) return false;
        throw failure;
      }
    },
    prove: (nonce) => prove("GET", `${address.origin}/ws`, nonce),
  };
  return Conclave.join({ ...rest, url: socketUrl(address), room: joined.room }, environment);
}

/** The session is over, or this page may not go on with it. */
const OVER: readonly string[] = ["join_refused", "wrong_origin"];

/** Asks that server, with what it gave to sign last. */
function exchange(origin: string): (path: string, body: object) => Promise<Joined> {
  let nonce = "";
  return async (path, body) => {
    const address = `${origin}${path}`;
    const attempt = async () => {
      const headers = { "Content-Type": "application/json", DPoP: await prove("POST", address, nonce) };
      try {
        return await fetch(address, { method: "POST", mode: "cors", credentials: "omit", cache: "no-store", redirect: "error", headers, body: JSON.stringify(body) });
      } catch {
        // Also when this page is not of an origin that may: the browser does not say.
        throw new CallFailed("unreachable" satisfies FailureCode, UNREACHABLE);
      }
    };
    let response = await attempt();
    const given = response.headers.get("DPoP-Nonce");
    if (given !== null) {
      nonce = given;
      if (response.status === 401) response = await attempt();
    }
    const content: unknown = await response.json().catch(() => undefined);
    if (response.ok) return content as Joined;
    throw refusal(response.status, content);
  };
}

/** The way back into the room lasts as long as the page. */
function memory(): TabStore {
  const secrets = new Map<string, string>();
  return {
    read: (room) => secrets.get(room) ?? null,
    write: (room, secret) => void secrets.set(room, secret),
    forget: (room) => void secrets.delete(room),
  };
}
