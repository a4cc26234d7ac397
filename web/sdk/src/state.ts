// The states of a client, each with what only that state has.

import type { FailureCode } from "./failure";
import type { RoomView } from "./generated/RoomView";
import type { WaitingWord } from "./generated/WaitingWord";
import type { LocalTracks } from "./media/local";
import type { MediaStatus } from "./media/media";

export interface Connecting {
  readonly phase: "connecting";
}

export interface Waiting {
  readonly phase: "waiting";
  /** By the clock of this device. */
  readonly since: number;
  /** Whether a host sent the participant back here. */
  readonly sentBack: boolean;
  /** Whether the participant was in the room, and knocked again by itself since the server was started anew. */
  readonly restarted: boolean;
  /** What hosts said to those who wait, the newest last; few. */
  readonly messages: readonly WaitingWord[];
}

export interface Admitted {
  readonly phase: "admitted";
  readonly room: RoomView;
  /** Who speaks, the loudest first. */
  readonly speaking: readonly string[];
  /** `lost`: the connection is gone and being taken up again. */
  readonly link: "up" | "lost";
  readonly media: MediaStatus;
  /** What is being sent. */
  readonly local: LocalTracks;
}

export interface Closed {
  readonly phase: "closed";
  readonly code: FailureCode;
  readonly text: string;
  /** Whether the participant had been admitted before. */
  readonly wasIn: boolean;
}

export type State = Connecting | Waiting | Admitted | Closed;
