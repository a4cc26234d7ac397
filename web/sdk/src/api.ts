// The HTTPS side: sessions, invitations and rooms. The session itself is a cookie that no script can read.

import { CallFailed, UNREACHABLE, type FailureCode } from "./failure";
import type { SettingView } from "./generated/SettingView";

export type Me =
  | { kind: "account"; id: string; name: string; admin: boolean; may_create_rooms: boolean }
  | { kind: "guest"; id: string; name: string; room: string };

export interface RoomLine {
  id: string;
  title: string;
  created: number;
}

export interface NewRoom {
  id: string;
  title: string;
  path: string;
  password: string;
}

export interface NewInvitation {
  path: string;
  expires: number;
}

interface Session {
  me: Me;
  expires: number;
}

/** Who is signed in here, or null. */
export async function me(): Promise<Me | null> {
  try {
    return await request<Me>("GET", "/api/me");
  } catch (failure) {
    if (failure instanceof CallFailed && failure.code === "signed_out") return null;
    throw failure;
  }
}

export async function signIn(email: string, password: string): Promise<Me> {
  return (await request<Session>("POST", "/api/session", { email, password })).me;
}

export function signOut(): Promise<void> {
  return request("DELETE", "/api/session");
}

export async function enterAsGuest(room: string, name: string): Promise<Me> {
  return (await request<Session>("POST", "/api/guest", { room, name })).me;
}

export function invite(mayCreateRooms: boolean): Promise<NewInvitation> {
  return request("POST", "/api/invitations", { kind: "member", may_create_rooms: mayCreateRooms });
}

export async function acceptInvitation(token: string, email: string, name: string, password: string): Promise<Me> {
  return (await request<Session>("POST", "/api/invitations/accept", { token, email, name, password })).me;
}

export async function rooms(): Promise<RoomLine[]> {
  return (await request<{ rooms: RoomLine[] }>("GET", "/api/rooms")).rooms;
}

export function createRoom(title: string): Promise<NewRoom> {
  return request("POST", "/api/rooms", { title });
}

export function deleteRoom(id: string): Promise<void> {
  return request("DELETE", `/api/rooms/${encodeURIComponent(id)}`);
}

export async function roomPassword(id: string): Promise<string | null> {
  return (await request<{ password: string | null }>("GET", `/api/rooms/${encodeURIComponent(id)}/password`)).password;
}

export async function newRoomPassword(id: string): Promise<string> {
  return (await request<{ password: string }>("POST", `/api/rooms/${encodeURIComponent(id)}/password`, {})).password;
}

export async function roomSettings(id: string): Promise<SettingView[]> {
  return (await request<{ settings: SettingView[] }>("GET", `/api/rooms/${encodeURIComponent(id)}/settings`)).settings;
}

export function changeRoomSetting(id: string, key: string, value: string): Promise<SettingView> {
  return request("PATCH", `/api/rooms/${encodeURIComponent(id)}/settings`, { key, value });
}

async function request<Answer>(method: string, path: string, body?: object): Promise<Answer> {
  const init: RequestInit = { method, credentials: "same-origin", cache: "no-store", redirect: "error" };
  if (body !== undefined) {
    init.headers = { "Content-Type": "application/json" };
    init.body = JSON.stringify(body);
  }
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch {
    throw new CallFailed("unreachable", UNREACHABLE);
  }
  const content: unknown = response.status === 204 ? undefined : await response.json().catch(() => undefined);
  if (response.ok) return content as Answer;
  throw refusal(response.status, content);
}

function refusal(status: number, content: unknown): CallFailed {
  if (typeof content === "object" && content !== null && "code" in content && "text" in content) {
    const { code, text } = content;
    // A session that is missing is `signed_out` by its status; a wrong password at sign-in has a code of its own.
    if (typeof code === "string" && typeof text === "string") return new CallFailed(code as FailureCode, text);
  }
  if (status === 401) return new CallFailed("signed_out", "Sign in to go on.");
  return new CallFailed("internal", "Something went wrong on the server.");
}
