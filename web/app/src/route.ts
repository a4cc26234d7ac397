// Which page the address means. A token in the fragment of an invitation is taken out of the address bar and the history at
// once, so that it stands nowhere that can be read over a shoulder or later.

import { signal } from "@preact/signals";

export type Route =
  | { page: "home" }
  | { page: "invitation"; token: string }
  | { page: "room"; room: string }
  | { page: "unknown" };

export const route = signal<Route>({ page: "home" });

export function startRouting(): void {
  route.value = routeOf(location.pathname, location.hash);
  if (location.hash !== "") history.replaceState(null, "", location.pathname);
  addEventListener("popstate", () => {
    route.value = routeOf(location.pathname, "");
  });
}

export function go(path: string): void {
  history.pushState(null, "", path);
  route.value = routeOf(path, "");
}

export function routeOf(path: string, fragment: string): Route {
  if (path === "/") return { page: "home" };
  if (path === "/invitation") return { page: "invitation", token: fragment.replace(/^#/u, "") };
  const room = /^\/r\/([a-z2-7]{26})$/u.exec(path)?.[1];
  return room === undefined ? { page: "unknown" } : { page: "room", room };
}
