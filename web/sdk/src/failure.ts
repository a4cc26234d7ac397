// What can go wrong, as the caller sees it: a stable code and a sentence that may be shown to people.

import type { ErrorCode } from "./generated/ErrorCode";

/** The server's codes, and those that only a client can find: no answer in time, no connection. */
export type FailureCode = ErrorCode | "session_reused" | "timeout" | "unreachable";

export class CallFailed extends Error {
  readonly code: FailureCode;

  constructor(code: FailureCode, text: string) {
    super(text);
    this.name = "CallFailed";
    this.code = code;
  }
}

export const TIMED_OUT = "The server did not answer in time. It may not have been done.";
export const CONNECTION_LOST = "The connection was lost before the server answered.";
export const UNREACHABLE = "The server cannot be reached. Check your connection and try again.";

export const RESTARTED = "The server was started anew. Join again.";

/** Close codes of `docs/protocol.md` section 4, for a socket that closed before its last message arrived. */
export const CLOSE_CODES: Readonly<Record<number, { code: ErrorCode; text: string }>> = {
  4000: { code: "bad_message", text: "The server did not understand a message of this page. Reload it." },
  4001: { code: "too_large", text: "A message was too large for the server." },
  4002: { code: "rate_limited", text: "That was too often. Wait a moment and try again." },
  4003: { code: "signed_out", text: "Sign in again to go on." },
  4004: { code: "cannot_join", text: "This link or password does not work, or the room is not open to you." },
  4005: { code: "already_here", text: "You are in this room already, in another tab or on another device." },
  4006: { code: "cannot_resume", text: "You were away too long to come straight back. Join again." },
  4007: { code: "denied", text: "A host did not let you in." },
  4008: { code: "removed", text: "A host removed you from the room." },
  4009: { code: "ended", text: "The meeting has ended." },
  4010: { code: "left", text: "You left the meeting." },
  4011: { code: "replaced", text: "You came back from another connection." },
  4012: { code: "draining", text: "The server is restarting. You will be reconnected." },
  4013: { code: "too_slow", text: "Your connection could not keep up." },
  4014: { code: "restarted", text: RESTARTED },
  4099: { code: "internal", text: "Something went wrong on the server." },
};
