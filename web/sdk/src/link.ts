// The connection to one room: first frame, waiting, admission, replies, events in order, and coming back after a loss.
// It knows nothing of media or of what events mean.

import { Backoff } from "./backoff";
import { Calls } from "./calls";
import { Doubt, GHOST_MS } from "./doubt";
import { CallFailed, CLOSE_CODES, CONNECTION_LOST, RESTARTED, UNREACHABLE, type FailureCode } from "./failure";
import type { CueView } from "./generated/CueView";
import type { Done } from "./generated/Done";
import type { ErrorCode } from "./generated/ErrorCode";
import type { Event as RoomEvent } from "./generated/Event";
import type { FirstRequest } from "./generated/FirstRequest";
import type { IceServer } from "./generated/IceServer";
import type { RoomRequest } from "./generated/RoomRequest";
import type { RoomView } from "./generated/RoomView";
import type { ServerMessage } from "./generated/ServerMessage";
import type { WaitingWord } from "./generated/WaitingWord";
import type { OpenSocket, Socket } from "./socket";
import type { TabStore } from "./tab";
import { decode, encode, encodeFirst } from "./wire";

const CALL_TIMEOUT_MS = 10_000;
const LEAVE_TIMEOUT_MS = 1_500;
const PROBE_EVERY_MS = 10_000;
const PROBE_TIMEOUT_MS = 8_000;
/** A connection that stood before the network changed has so long to show that it still does. */
const NUDGED_TIMEOUT_MS = 3_000;
/** An attempt that brought nobody in by then is given up: where packets are swallowed the browser says nothing for minutes. */
const ATTEMPT_MS = 18_000;
/** When the network comes back, an attempt older than this set out on the one before. */
const STALE_MS = 2_000;
/** A first connection that fails this often is given up; the person can press the button again. */
const FIRST_ATTEMPTS = 4;
/** Longer than the longest resume window (10 minutes): after that there is nothing to come back to. */
const GIVE_UP_MS = 11 * 60_000;
/** A browser wakes the timers of a hidden page once a minute; where one comes later than that the device slept. */
const SLEPT_MS = 75_000;
const WATCH_EVERY_MS = 5_000;
/** A reloaded page has no view to apply events to: having seen nothing, it is answered with the view. */
const WHOLE_VIEW = 0;
const LEFT = "You left the meeting.";

export interface LinkOptions {
  url: string;
  room: string;
  password?: string;
  open: OpenSocket;
  tab: TabStore;
  /** Asked when an upgrade is refused, since a browser does not say why. */
  signedIn(): Promise<boolean>;
  /** Signs what the server gives this connection to sign. */
  prove(nonce: string): Promise<string> | string;
  random?: () => number;
}

export interface LinkHandlers {
  connecting(): void;
  waiting(): void;
  /** A host says something to those who wait. */
  message(message: WaitingWord): void;
  admitted(room: RoomView, relays: IceServer[]): void;
  resumed(): void;
  event(event: RoomEvent): void;
  /** A caption, or more of one. */
  cue(cue: CueView): void;
  /** Somebody showed a copy of this session and was refused. */
  copied(times: number, last: number): void;
  lost(): void;
  closed(code: FailureCode, text: string): void;
  /** A harmless request whose answer proves that the connection lives. */
  probe(): RoomRequest;
}

type Phase = "connecting" | "waiting" | "admitted" | "closed";

export class Link {
  readonly #options: LinkOptions;
  readonly #handlers: LinkHandlers;
  readonly #calls = new Calls();
  readonly #backoff: Backoff;
  readonly #doubt: Doubt;
  #socket: Socket | null = null;
  #phase: Phase = "connecting";
  #everIn = false;
  /** The server was started anew, and this joins as at first. */
  #anew = false;
  #holdsView = false;
  #leaving = false;
  #seen = 0;
  #lostAt: number | null = null;
  #heardAt = 0;
  /** When anything was heard inside. */
  #insideAt = 0;
  #triedAt = 0;
  #deadline: ReturnType<typeof setTimeout> | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #probe: ReturnType<typeof setInterval> | undefined;

  constructor(options: LinkOptions, handlers: LinkHandlers) {
    this.#options = options;
    this.#handlers = handlers;
    this.#backoff = new Backoff(options.random);
    this.#doubt = new Doubt(() => this.#open(), () => this.#lose(), options.random);
  }

  start(): void {
    this.#handlers.connecting();
    this.#connect();
  }

  /** For when the network came back or changed: tries at once instead of waiting for the next attempt, or makes sure that the connection lived through it. */
  nudge(): void {
    if (this.#phase === "waiting") this.#makeSure();
    if (this.#phase === "admitted") this.#ask(NUDGED_TIMEOUT_MS);
    if (this.#phase !== "connecting") return;
    if (this.#socket !== null && Date.now() - this.#triedAt < STALE_MS) return;
    clearTimeout(this.#retry);
    this.#connect();
  }

  call(request: RoomRequest, timeoutMs = CALL_TIMEOUT_MS): Promise<Done> {
    const socket = this.#socket;
    if (socket === null || this.#phase !== "admitted") {
      return Promise.reject(new CallFailed("unreachable", CONNECTION_LOST));
    }
    return this.#calls.call((id) => socket.send(encode(id, request)), timeoutMs);
  }

  /** Leaves for good: from the waiting room, from the room, or from trying. */
  leave(): void {
    if (this.#phase === "closed") return;
    this.#options.tab.forget(this.#options.room);
    if (this.#socket === null || this.#phase === "connecting") {
      this.#finish("left", LEFT);
      return;
    }
    this.#leaving = true;
    this.#doubt.end();
    this.#socket.send(encode(this.#calls.nextId(), { type: "leave" }));
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#finish("left", LEFT), LEAVE_TIMEOUT_MS);
  }

  #connect(): void {
    const old = this.#socket;
    this.#triedAt = Date.now();
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(() => this.#failed(), ATTEMPT_MS);
    this.#socket = this.#open();
    old?.close();
  }

  #open(): Socket {
    let opened = false;
    const socket = this.#options.open(this.#options.url, {
      opened: () => {
        // The server speaks first: it gives something to sign.
        opened = true;
      },
      frame: (text) => {
        if (this.#socket === socket) this.#frame(text);
        else if (this.#doubt.has(socket)) this.#besides(socket, text);
      },
      closed: (code) => {
        const known = CLOSE_CODES[code];
        if (this.#doubt.has(socket) && known?.code === "already_here") this.#doubt.stands();
        if (this.#socket !== socket) return;
        if (known !== undefined) this.#refused(known.code, known.text);
        else if (opened) this.#lose();
        else void this.#notOpened();
      },
    });
    return socket;
  }

  #challenged(socket: Socket, nonce: string): void {
    const proof = this.#options.prove(nonce);
    if (typeof proof === "string") {
      this.#sendFirst(socket, proof);
      return;
    }
    proof.then(
      (proof) => {
        if (this.#socket === socket || this.#doubt.has(socket)) this.#sendFirst(socket, proof);
      },
      () => {
        if (this.#socket === socket) this.#finish("signed_out", "This browser cannot show that the session is its own. Sign in again.");
      },
    );
  }

  #sendFirst(socket: Socket, proof: string): void {
    const { room, password, tab } = this.#options;
    const secret = tab.read(room);
    const request: FirstRequest =
      secret === null
        ? { type: "join", room, ...(password === undefined ? {} : { password }) }
        : { type: "resume", room, secret, seen: this.#holdsView ? this.#seen : WHOLE_VIEW };
    socket.send(encodeFirst({ id: this.#calls.nextId(), proof, request }));
  }

  #frame(text: string): void {
    this.#heardAt = Date.now();
    const message = decode(text);
    if (message !== null) this.#message(message);
    if (this.#phase === "admitted") this.#insideAt = this.#heardAt;
  }

  /** What is said to the knock beside the first one. */
  #besides(socket: Socket, text: string): void {
    const message = decode(text);
    if (message?.type === "challenge") this.#challenged(socket, message.nonce);
    if (message?.type === "closed" && message.code === "already_here") this.#doubt.stands();
    if (message?.type !== "waiting" && message?.type !== "admitted") return;
    // The first one is gone.
    this.#doubt.release();
    const first = this.#socket;
    this.#socket = socket;
    first?.close();
    this.#frame(text);
  }

  #message(message: ServerMessage): void {
    switch (message.type) {
      case "challenge":
        if (this.#socket !== null && this.#phase === "connecting") this.#challenged(this.#socket, message.nonce);
        return;
      case "session_copied":
        this.#handlers.copied(message.times, message.last);
        return;
      case "waiting":
        // Whoever waits has nothing to come straight back to: a host who sent them back here ended that.
        this.#options.tab.forget(this.#options.room);
        this.#holdsView = false;
        this.#entered("waiting");
        this.#handlers.waiting();
        return;
      case "message":
        if (this.#phase === "waiting") this.#handlers.message(message);
        return;
      case "admitted":
        this.#options.tab.write(this.#options.room, message.resume);
        this.#seen = message.seq;
        this.#holdsView = true;
        this.#entered("admitted");
        this.#handlers.admitted(message.room, message.ice_servers ?? []);
        return;
      case "resumed":
        this.#options.tab.write(this.#options.room, message.resume);
        if (!this.#holdsView) {
          this.#refused("cannot_resume", "You cannot come straight back. Join again.");
          return;
        }
        this.#entered("admitted");
        this.#handlers.resumed();
        return;
      case "reply":
        this.#calls.settle(message.id, message);
        return;
      case "event":
        this.#event(message.seq, message.event);
        return;
      case "cue":
        if (this.#phase === "admitted") this.#handlers.cue(message.cue);
        return;
      case "closed":
        this.#refused(message.code, message.text);
        return;
    }
  }

  #event(seq: number, event: RoomEvent): void {
    if (this.#phase !== "admitted" || seq <= this.#seen) return;
    if (seq > this.#seen + 1) {
      // Something was lost on the way: what follows must not be applied. The resume brings the missing ones.
      this.#lose();
      return;
    }
    this.#seen = seq;
    this.#handlers.event(event);
  }

  #entered(phase: "waiting" | "admitted"): void {
    this.#phase = phase;
    this.#everIn = true;
    this.#anew = false;
    this.#lostAt = null;
    this.#backoff.reset();
    this.#rest();
    if (phase === "admitted") this.#probe = setInterval(() => this.#checkAlive(), PROBE_EVERY_MS);
    else this.#watchSleep();
  }

  #watchSleep(): void {
    let last = Date.now();
    this.#probe = setInterval(() => {
      const slept = Date.now() - last > SLEPT_MS;
      last = Date.now();
      if (slept) this.#makeSure();
    }, WATCH_EVERY_MS);
  }

  /** Whether the knock still stands. */
  #makeSure(): void {
    if (!this.#leaving) this.#doubt.begin();
  }

  #checkAlive(): void {
    if (Date.now() - this.#heardAt >= PROBE_EVERY_MS) this.#ask(PROBE_TIMEOUT_MS);
  }

  /** A connection on which nothing is heard within `timeoutMs` of a question is lost. */
  #ask(timeoutMs: number): void {
    const socket = this.#socket;
    this.call(this.#handlers.probe(), timeoutMs).catch((failure: unknown) => {
      const silent = failure instanceof CallFailed && failure.code === "timeout";
      if (silent && this.#socket === socket && Date.now() - this.#heardAt >= timeoutMs) this.#lose();
    });
  }

  /** The upgrade itself failed: either the session is over or the server is away. */
  async #notOpened(): Promise<void> {
    this.#socket = null;
    const attempt = this.#deadline;
    const signedIn = await this.#options.signedIn().catch(() => true);
    if (this.#deadline !== attempt) return;
    if (!signedIn) this.#finish("signed_out", "Sign in again to go on.");
    else this.#failed();
  }

  /** An attempt came to nothing. */
  #failed(): void {
    if (!this.#everIn && this.#backoff.attempts + 1 >= FIRST_ATTEMPTS) this.#finish("unreachable", UNREACHABLE);
    else this.#lose();
  }

  #refused(code: ErrorCode, text: string): void {
    switch (code) {
      case "draining":
      case "too_slow":
        this.#lose();
        return;
      case "restarted":
        if (this.#wantsIn()) this.#joinAnew();
        else this.#finish(code, text);
        return;
      case "cannot_join":
        // A tab that was loaded again no longer knows the password that the person gave.
        if (this.#anew && this.#options.password === undefined) this.#finish("restarted", RESTARTED);
        else this.#finish(code, text);
        return;
      case "unavailable":
      case "internal":
      case "rate_limited":
        if (this.#everIn) this.#lose();
        else this.#finish(code, text);
        return;
      case "already_here":
        if (this.#lostAt !== null && Date.now() - this.#lostAt < GHOST_MS) this.#lose();
        else this.#finish(code, text);
        return;
      default:
        this.#finish(code, text);
    }
  }

  /** Whether whoever is behind this is there still, or has just asked to come in: a device that slept through the end of a meeting joins none. */
  #wantsIn(): boolean {
    return this.#everIn ? Date.now() - this.#insideAt < GIVE_UP_MS : this.#options.password !== undefined;
  }

  /** The place went with the server as it ran before: the next attempt joins as at first. */
  #joinAnew(): void {
    this.#anew = true;
    this.#holdsView = false;
    this.#options.tab.forget(this.#options.room);
    this.#lose();
  }

  #lose(): void {
    if (this.#phase === "closed") return;
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    this.#rest();
    this.#calls.abandon();
    this.#lostAt ??= Date.now();
    if (this.#leaving) {
      this.#finish("left", LEFT);
      return;
    }
    if (Date.now() - this.#lostAt > GIVE_UP_MS) {
      this.#finish("unreachable", UNREACHABLE);
      return;
    }
    if (this.#holdsView) this.#handlers.lost();
    else this.#handlers.connecting();
    this.#phase = "connecting";
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#connect(), this.#backoff.next());
  }

  #finish(code: FailureCode, text: string): void {
    if (this.#phase === "closed") return;
    // A signed-out or unreachable person may still come back with the same secret; every other end is an end.
    if (code !== "signed_out" && code !== "unreachable") {
      this.#options.tab.forget(this.#options.room);
    }
    this.#phase = "closed";
    const socket = this.#socket;
    this.#socket = null;
    clearTimeout(this.#retry);
    this.#rest();
    this.#calls.abandon();
    socket?.close();
    this.#handlers.closed(code, text);
  }

  /** What watched over the attempt or the connection has come to its end. */
  #rest(): void {
    clearTimeout(this.#deadline);
    this.#deadline = undefined;
    clearInterval(this.#probe);
    this.#doubt.end();
  }
}
