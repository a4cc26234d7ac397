// Text frames to messages and back. It checks that a frame has the outline of a server message; it decides nothing.

import type { FirstFrame } from "./generated/FirstFrame";
import type { Request } from "./generated/Request";
import type { RoomRequest } from "./generated/RoomRequest";
import type { ServerMessage } from "./generated/ServerMessage";
import type { WaitingRequest } from "./generated/WaitingRequest";

export type AnyRequest = WaitingRequest | RoomRequest;

export const SUBPROTOCOL = "conclave.v1";
/** Followed by the session, where a page of another product has no cookie for it. */
export const SESSION_SUBPROTOCOL = "conclave.session.";

export function encode(id: number, request: AnyRequest): string {
  const frame: Request<AnyRequest> = { id, request };
  return JSON.stringify(frame);
}

/** The first frame of a connection, with the proof that the server asked for. */
export function encodeFirst(frame: FirstFrame): string {
  return JSON.stringify(frame);
}

/** The message in a frame, or null when the frame is none that this version knows. */
export function decode(frame: string): ServerMessage | null {
  let value: unknown;
  try {
    value = JSON.parse(frame);
  } catch {
    return null;
  }
  return isServerMessage(value) ? value : null;
}

function isServerMessage(value: unknown): value is ServerMessage {
  if (!isRecord(value)) return false;
  switch (value["type"]) {
    case "waiting":
      return true;
    case "challenge":
      return typeof value["nonce"] === "string";
    case "session_copied":
      return typeof value["times"] === "number" && typeof value["last"] === "number";
    case "admitted":
      return isRecord(value["room"]) && typeof value["resume"] === "string" && typeof value["seq"] === "number";
    case "resumed":
      return typeof value["resume"] === "string";
    case "reply":
      return typeof value["id"] === "number" && (isRecord(value["ok"]) || isRecord(value["error"]));
    case "event":
      return typeof value["seq"] === "number" && isRecord(value["event"]);
    case "cue":
      return isRecord(value["cue"]);
    case "message":
      return typeof value["phrase"] === "string" || typeof value["text"] === "string";
    case "closed":
      return typeof value["code"] === "string" && typeof value["text"] === "string";
    default:
      return false;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
