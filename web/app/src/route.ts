// Which page the address means. A secret in the fragment of an invitation or a guest link is taken out of the address bar and the
// history at once, so that it stands nowhere that can be read over a shoulder or later.

import { signal } from "@preact/signals";

export type ManagePart = "settings" | "links" | "streams" | "captions" | "transcripts" | "audit";
export type OrganisationPart = "settings" | "members" | "sign-in" | "keys" | "webhooks" | "embedding" | "audit";

/** Each is a path of its own; the first is the organisation's page itself. */
export const ORGANISATION_PARTS: readonly OrganisationPart[] = ["settings", "members", "sign-in", "keys", "webhooks", "embedding", "audit"];

export type Route =
  | { page: "home" }
  | { page: "invitation"; token: string }
  | { page: "room"; room: string }
  /** The link of one guest; without its secret after a reload, when the guest's session stands instead. */
  | { page: "guest"; room: string; secret: string }
  | { page: "manage"; room: string; part: ManagePart }
  | { page: "organisation"; part: OrganisationPart }
  | { page: "account" }
  /** In a frame of another product's page. */
  | { page: "embed" }
  /** The link to a new password, and the one that proves an address; without their secrets after a reload. */
  | { page: "reset"; token: string }
  | { page: "verify"; token: string }
  /** Back from a provider, with what it put into the address. */
  | { page: "return"; provider: string; answer: string }
  | { page: "unknown" };

export const route = signal<Route>({ page: "home" });

export function startRouting(): void {
  read();
  // The whole link put into the address bar of this very page changes nothing but the fragment.
  addEventListener("hashchange", () => {
    if (location.hash !== "") read();
  });
  addEventListener("popstate", () => {
    if (location.hash === "") route.value = routeOf(location.pathname, "");
  });
}

export function go(path: string): void {
  history.pushState(null, "", path);
  route.value = routeOf(path, "");
}

export function routeOf(path: string, fragment: string, query = ""): Route {
  const secret = fragment.replace(/^#/u, "");
  if (path === "/") return { page: "home" };
  if (path === "/invitation") return { page: "invitation", token: secret };
  if (path === "/account") return { page: "account" };
  if (path === "/embed") return { page: "embed" };
  if (path === "/reset") return { page: "reset", token: secret };
  if (path === "/verify") return { page: "verify", token: secret };
  const back = /^\/sign-in\/(?<provider>[a-z0-9-]{1,32})$/u.exec(path)?.groups?.["provider"];
  if (back !== undefined) return { page: "return", provider: back, answer: query };
  if (path === "/organisation") return { page: "organisation", part: "settings" };
  const part = ORGANISATION_PARTS.slice(1).find((one) => path === `/organisation/${one}`);
  if (part !== undefined) return { page: "organisation", part };
  const found = /^\/(?<kind>[rg])\/(?<room>[a-z2-7]{26})(?:\/(?<part>settings|links|streams|captions|transcripts|audit))?$/u.exec(path)?.groups;
  const room = found?.["room"];
  if (room === undefined) return { page: "unknown" };
  const of = found?.["part"];
  if (found?.["kind"] === "g") return of === undefined ? { page: "guest", room, secret } : { page: "unknown" };
  return of === undefined ? { page: "room", room } : { page: "manage", room, part: of as ManagePart };
}

function read(): void {
  route.value = routeOf(location.pathname, location.hash, location.search);
  // What a provider put into the address is a secret too.
  if (location.hash !== "" || route.value.page === "return") history.replaceState(null, "", location.pathname);
}
