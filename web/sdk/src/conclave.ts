// One participant in one room: connecting → waiting → admitted → closed. It joins the link (messages) and the media
// (packets), and keeps one promise above all: a cut by a moderator stops the own track here too, and nothing but the
// participant's own call turns a source on again.

import { NO_CAPTIONS, withCue, type Captions } from "./captions";
import { Emitter } from "./emitter";
import { browserEnvironment, type Environment } from "./environment";
import { CallFailed, type FailureCode } from "./failure";
import type { IceServer } from "./generated/IceServer";
import type { BarView } from "./generated/BarView";
import type { CaptionChoice } from "./generated/CaptionChoice";
import type { ChatView } from "./generated/ChatView";
import type { CueView } from "./generated/CueView";
import type { Done } from "./generated/Done";
import type { DoneToYou } from "./generated/DoneToYou";
import type { Event as RoomEvent } from "./generated/Event";
import type { KnockView } from "./generated/KnockView";
import type { Line } from "./generated/Line";
import type { ParticipantView } from "./generated/ParticipantView";
import type { QualityReport } from "./generated/QualityReport";
import type { QualityView } from "./generated/QualityView";
import type { Preset } from "./generated/Preset";
import type { Role } from "./generated/Role";
import type { RoomRequest } from "./generated/RoomRequest";
import type { RoomView } from "./generated/RoomView";
import type { Seen } from "./generated/Seen";
import type { SettingView } from "./generated/SettingView";
import type { Source } from "./generated/Source";
import type { SourceStatsView } from "./generated/SourceStatsView";
import type { WaitingWord } from "./generated/WaitingWord";
import { Link } from "./link";
import { Local } from "./media/local";
import { Looks, type Size } from "./media/looks";
import { Media, type AudioSlot } from "./media/media";
import type { MediaPreferences } from "./media/preferences";
import { SOURCES } from "./media/sources";
import { applyEvent, ownLine } from "./room";
import type { Admitted, State } from "./state";

/** How often the own connection is measured and reported. */
const MEASURE_MS = 5_000;
/** So many messages of hosts are shown to someone who waits. */
const MESSAGES_KEPT = 3;
const NO_MEDIA = "Sound and pictures cannot be sent from here. Look at what this browser allows, or use another one.";

export interface LobbyPage {
  knocks: KnockView[];
  waiting: number;
  suspected: number;
}

export interface ChatPage {
  messages: ChatView[];
  /** Whether there are older ones that may be read. */
  more: boolean;
  /** Where the older ones begin, when there may be more. */
  next?: number;
}

export interface JoinOptions {
  /** The WebSocket, `wss://HOST/ws`. */
  url: string;
  room: string;
  password?: string;
  media?: MediaPreferences;
}

/** Why an own source went off without the participant's call. */
export type StopCause = "moderator" | "device" | "connection";

export interface ConclaveEvents {
  state: State;
  /** Every event of the room, after the state has taken it in. */
  event: RoomEvent;
  /** The state was told anew after a loss in which events were missed for good: what only they tell, such as the chat, is to be asked for again. */
  anew: undefined;
  /** More was said, or all that was said is no longer this participant's to read. */
  captions: Captions;
  /** Remote tracks changed: ask `track` and `audio` again. */
  tracks: undefined;
  stopped: { source: Source; cause: StopCause };
  /** What the own connection did in the last few seconds. */
  quality: QualityReport;
  /** Somebody showed a copy of the own session, without its key, and was refused: how often, and when they did last. */
  copied: { times: number; last: number };
}

export class Conclave {
  readonly #emitter = new Emitter<ConclaveEvents>();
  readonly #link: Link;
  readonly #media: Media;
  readonly #local: Local;
  readonly #looks: Looks;
  /** The place in the room went with the server as it ran before, and this came back by itself. */
  #restarted = false;
  #state: State = { phase: "connecting" };
  #captions: Captions = NO_CAPTIONS;
  #measuring: ReturnType<typeof setInterval> | undefined;

  private constructor(options: JoinOptions, environment: Environment) {
    this.#looks = new Looks((view) => this.#quietly({ type: "view", ...view }));
    this.#looks.setMost(options.media?.receive ?? null);
    this.#local = new Local((source) => void this.#ended(source));
    this.#media = new Media(
      environment.transport,
      {
        call: (request, timeoutMs) => this.#link.call(request, timeoutMs),
        status: (media) => this.#patch({ media }),
        fresh: () => this.#stopAll(),
        tracks: () => this.#emitter.emit("tracks", undefined),
        answered: () => this.#synced(),
      },
      options.media,
      environment.random,
    );
    this.#link = new Link(
      { ...options, ...environment },
      {
        connecting: () => this.#connecting(),
        waiting: () => this.#waiting(),
        message: (message) => this.#hostSaid(message),
        admitted: (room, relays) => this.#admitted(room, relays),
        resumed: () => this.#resumed(),
        event: (event) => this.#event(event),
        cue: (cue) => this.#cue(cue),
        copied: (times, last) => this.#emitter.emit("copied", { times, last }),
        lost: () => this.#patch({ link: "lost", speaking: [] }),
        closed: (code, text) => this.#closed(code, text),
        probe: () => ({ type: "view", ...this.#looks.current() }),
      },
    );
  }

  /** Knocks at a room, or comes back into it when this tab holds its resume secret. */
  static join(options: JoinOptions, environment: Environment = browserEnvironment()): Conclave {
    const client = new Conclave(options, environment);
    client.#link.start();
    return client;
  }

  /** Whether this tab was in the room and may come straight back. */
  static mayResume(room: string, environment: Pick<Environment, "tab"> = browserEnvironment()): boolean {
    return environment.tab.read(room) !== null;
  }

  get state(): State {
    return this.#state;
  }

  /** What was said since this participant chose to read it. */
  get captions(): Captions {
    return this.#captions;
  }

  on<Name extends keyof ConclaveEvents>(name: Name, listener: (value: ConclaveEvents[Name]) => void): () => void {
    return this.#emitter.on(name, listener);
  }

  leave(): void {
    this.#link.leave();
  }

  /** The network came back: try now. */
  nudge(): void {
    this.#link.nudge();
  }

  /** The way to the network is another one now: messages and media take it up. */
  networkChanged(): void {
    this.#link.nudge();
    void this.#media.restart();
  }

  /** Where sound and pictures could not be set up: the person wants another try. Whether the server took it up. */
  async retryMedia(): Promise<boolean> {
    return this.#state.phase === "admitted" && this.#state.link === "up" && (await this.#media.retry());
  }

  /** Sends `track` as `source` if the room permits; stops it if not. */
  async turnOn(source: Source, track: MediaStreamTrack): Promise<void> {
    try {
      if (this.#media.impossible) throw new CallFailed("unavailable", NO_MEDIA);
      await this.#call({ type: "publish", source, on: true });
    } catch (failure) {
      track.stop();
      throw failure;
    }
    if (this.#state.phase !== "admitted") {
      track.stop();
      return;
    }
    await this.#put(source, track);
  }

  /** Stops the own track at once, then tells the server. */
  async turnOff(source: Source): Promise<void> {
    await this.#drop(source);
    await this.#call({ type: "publish", source, on: false });
  }

  /** Another device for a source that is on. */
  async swap(source: Source, track: MediaStreamTrack): Promise<void> {
    if (this.#local.get(source) === undefined) {
      track.stop();
      return;
    }
    await this.#put(source, track);
  }

  /** The track that shows or sounds this source of someone, when a slot carries it. */
  track(participant: string, source: Source): MediaStreamTrack | null {
    return this.#media.track(participant, source);
  }

  audio(): AudioSlot[] {
    return this.#media.audio();
  }

  /** Says at which size (device pixels) a picture is shown; null when it is no longer. */
  look(participant: string, source: Source, size: Size | null): void {
    this.#looks.set(participant, source, size);
  }

  /** What the person wants of pictures now; another codec holds from the next transport on. */
  prefer(preferences: MediaPreferences): void {
    this.#looks.setMost(preferences.receive);
    void this.#media.prefer(preferences);
  }

  setHidden(hidden: boolean): void {
    this.#looks.setHidden(hidden);
  }

  ask(source: Source): Promise<void> {
    return this.#call({ type: "ask", source });
  }

  raiseHand(raised: boolean): Promise<void> {
    return this.#call({ type: "raise_hand", raised });
  }

  admit(knock: string, version: number): Promise<void> {
    return this.#call({ type: "admit", knock, version });
  }

  /** Each in the version that the host saw; gives how many came in. */
  admitMany(knocks: Seen[]): Promise<number> {
    return this.#count({ type: "admit_many", knocks });
  }

  deny(knock: string): Promise<void> {
    return this.#call({ type: "deny", knock });
  }

  denyMany(knocks: string[]): Promise<number> {
    return this.#count({ type: "deny_many", knocks });
  }

  denyAll(): Promise<number> {
    return this.#count({ type: "deny_all" });
  }

  /** To one who waits, or without `knock` to all of them. */
  messageWaiting(message: WaitingWord, knock?: string): Promise<void> {
    return this.#call({ type: "message_waiting", ...message, ...(knock === undefined ? {} : { knock }) });
  }

  /** A page of those who wait, after one of them. */
  async lobby(after: string | undefined, limit: number): Promise<LobbyPage> {
    const done = await this.#link.call({ type: "lobby", limit, ...(after === undefined ? {} : { after }) });
    return done.type === "lobby" ? done : { knocks: [], waiting: 0, suspected: 0 };
  }

  mute(participant: string): Promise<void> {
    return this.#call({ type: "mute", participant });
  }

  muteAll(except: string[] = []): Promise<number> {
    return this.#count({ type: "mute_all", except });
  }

  pauseVideo(participant: string): Promise<void> {
    return this.#call({ type: "pause_video", participant });
  }

  stopShare(participant: string): Promise<void> {
    return this.#call({ type: "stop_share", participant });
  }

  async stopAllShares(): Promise<void> {
    await this.#link.call({ type: "stop_all_shares" });
  }

  allow(participant: string, source: Source, allowed: boolean): Promise<void> {
    return this.#call({ type: "allow", participant, source, allowed });
  }

  /** Shows one person large to everyone; null ends it. */
  spotlight(participant: string | null): Promise<void> {
    return this.#call({ type: "spotlight", participant });
  }

  sendBack(participant: string): Promise<void> {
    return this.#call({ type: "send_back", participant });
  }

  remove(participant: string, bar = false): Promise<void> {
    return this.#call(bar ? { type: "remove", participant, bar } : { type: "remove", participant });
  }

  async bars(): Promise<BarView[]> {
    const done = await this.#link.call({ type: "bars" });
    return done.type === "bars" ? done.bars : [];
  }

  unbar(bar: string): Promise<void> {
    return this.#call({ type: "unbar", bar });
  }

  setRole(participant: string, role: Role): Promise<void> {
    return this.#call({ type: "set_role", participant, role });
  }

  transferOwnership(participant: string): Promise<void> {
    return this.#call({ type: "transfer_ownership", participant });
  }

  lock(locked: boolean): Promise<void> {
    return this.#call({ type: "lock", locked });
  }

  /** Stops everything that anyone sends, locks the room, and keeps it so until it is lifted. */
  suspend(): Promise<void> {
    return this.#call({ type: "suspend" });
  }

  liftSuspension(): Promise<void> {
    return this.#call({ type: "lift_suspension" });
  }

  setSetting(key: string, value: string): Promise<void> {
    return this.#call({ type: "set_setting", key, value });
  }

  /** Who could do what now, and who could then; changes nothing. */
  async previewSetting(key: string, value: string): Promise<Line[]> {
    const done = await this.#link.call({ type: "preview_setting", key, value });
    return done.type === "preview" ? done.lines : [];
  }

  /** Who can get in as the room stands. */
  async entry(): Promise<Line[]> {
    const done = await this.#link.call({ type: "preview_setting" });
    return done.type === "preview" ? done.lines : [];
  }

  /** Gives what changed, and what the organisation's locks kept as it was. */
  async applyPreset(preset: Preset): Promise<{ changed: SettingView[]; kept: SettingView[] }> {
    const done = await this.#link.call({ type: "apply_preset", preset });
    return done.type === "preset" ? done : { changed: [], kept: [] };
  }

  /** `ref` is the caller's own: the same one again is the same message, sent once. */
  async sendChat(text: string, ref: string): Promise<void> {
    await this.#link.call({ type: "chat", text, ref });
  }

  async chatHistory(before: number | undefined, limit: number): Promise<ChatPage> {
    return chatPage(await this.#link.call({ type: "chat_history", limit, ...(before === undefined ? {} : { before }) }));
  }

  async chatSearch(words: string, before?: number): Promise<ChatPage> {
    return chatPage(await this.#link.call({ type: "chat_search", words, ...(before === undefined ? {} : { before }) }));
  }

  /** What this participant reads: nothing, `original`, or a language; and whether with the original beside it. */
  async readCaptions(choice: CaptionChoice): Promise<void> {
    await this.#call({ type: "captions", language: choice.language, original: choice.original });
    if (this.#state.phase === "admitted") this.#patch({ room: { ...this.#state.room, caption_choice: choice } });
  }

  /** Whether what this participant says may be turned into text. */
  captionMe(allowed: boolean): Promise<void> {
    return this.#call({ type: "caption_me", allowed });
  }

  deleteChat(number: number): Promise<void> {
    return this.#call({ type: "delete_chat", number });
  }

  /** True when the change is held until a host approves it. */
  async changeProfile(change: { name?: string; picture?: string | null }): Promise<boolean> {
    return (await this.#link.call({ type: "change_profile", ...change })).type === "held";
  }

  decideProfile(participant: string, version: number, approve: boolean): Promise<void> {
    return this.#call({ type: "decide_profile", participant, version, approve });
  }

  /** Answered by the end itself, which closes the connection. */
  async end(): Promise<void> {
    try {
      await this.#call({ type: "end" });
    } catch (failure) {
      if (this.#state.phase !== "closed" || this.#state.code !== "ended") throw failure;
    }
  }

  async stats(): Promise<SourceStatsView[]> {
    const done = await this.#link.call({ type: "stats" });
    return done.type === "stats" ? done.sources : [];
  }

  /** How everyone's connection does, for moderators. */
  async quality(): Promise<QualityView[]> {
    const done = await this.#link.call({ type: "quality" });
    return done.type === "quality" ? done.participants : [];
  }

  async #call(request: RoomRequest): Promise<void> {
    await this.#link.call(request);
  }

  async #count(request: RoomRequest): Promise<number> {
    const done = await this.#link.call(request);
    return done.type === "counted" ? done.count : 0;
  }

  /** For what is said again anyway when it is lost. */
  #quietly(request: RoomRequest): void {
    this.#link.call(request).catch(() => undefined);
  }

  #set(state: State): void {
    this.#state = state;
    this.#emitter.emit("state", state);
  }

  #patch(change: Partial<Omit<Admitted, "phase">>): void {
    if (this.#state.phase === "admitted") this.#set({ ...this.#state, ...change });
  }

  /** Measures the own connection, for the page and for the hosts. */
  async #measure(): Promise<void> {
    const report = await this.#media.report().catch(() => null);
    if (report === null || this.#state.phase !== "admitted") return;
    this.#emitter.emit("quality", report);
    if (this.#state.link === "up") this.#quietly({ type: "report_quality", report });
  }

  /** A caption is named by the roster alone. */
  #cue(cue: CueView): void {
    if (this.#state.phase !== "admitted") return;
    const speaker = this.#state.room.participants.find((one) => one.participant === cue.speaker);
    this.#caption(withCue(this.#captions, cue, speaker?.name, Date.now()));
  }

  #caption(captions: Captions): void {
    if (captions === this.#captions) return;
    this.#captions = captions;
    this.#emitter.emit("captions", captions);
  }

  /** At first, and where the place in the room is gone without a word about its end: nothing of it is left here. */
  #connecting(): void {
    if (this.#state.phase === "admitted") {
      this.#rest();
      this.#restarted = true;
    }
    this.#set({ phase: "connecting" });
  }

  #admitted(room: RoomView, relays: IceServer[]): void {
    this.#restarted = false;
    const before = this.#state.phase === "admitted" ? this.#state.room.you : null;
    // Another stay counts its cues anew.
    if (before !== room.you) this.#caption(NO_CAPTIONS);
    this.#media.relays(relays);
    this.#set({ phase: "admitted", room, speaking: [], link: "up", media: "connecting", local: this.#local.all() });
    void this.#media.start();
    clearInterval(this.#measuring);
    this.#measuring = setInterval(() => void this.#measure(), MEASURE_MS);
    if (before !== null) this.#emitter.emit("anew", undefined);
  }

  /** Before the room is entered, or after a host took the participant out of it again: nothing is sent from here. */
  #waiting(): void {
    const sentBack = this.#state.phase === "admitted";
    this.#rest();
    this.#set({ phase: "waiting", since: Date.now(), sentBack, restarted: this.#restarted, messages: [] });
  }

  #hostSaid(message: WaitingWord): void {
    if (this.#state.phase !== "waiting") return;
    this.#set({ ...this.#state, messages: [...this.#state.messages, message].slice(-MESSAGES_KEPT) });
  }

  #resumed(): void {
    this.#patch({ link: "up" });
    if (!this.#media.takeUp()) {
      void this.#media.start();
      return;
    }
    // The transport outlived the socket, or has a way to look for. The answer to this comes after everything that was missed.
    this.#link.call({ type: "view", ...this.#looks.current() }).then(
      () => this.#synced(),
      () => undefined,
    );
  }

  #event(event: RoomEvent): void {
    if (this.#state.phase !== "admitted") return;
    const before = ownLine(this.#state.room);
    const room = applyEvent(this.#state.room, event);
    if (room !== this.#state.room) this.#patch({ room });
    switch (event.type) {
      case "done_to_you":
        void this.#obey(event.what);
        break;
      case "participant_changed":
        if (event.participant.participant === room.you) this.#ownChanged(before, event.participant);
        break;
      case "speaking":
        this.#patch({ speaking: event.participants });
        break;
      case "slots":
        this.#media.slots(event.slots);
        break;
      case "layers":
        void this.#media.layers(event.source, event.encodings);
        break;
      case "media":
        if (event.state === "closed") this.#media.closedByServer();
        break;
      default:
        break;
    }
    this.#emitter.emit("event", event);
  }

  async #obey(what: DoneToYou): Promise<void> {
    switch (what.act) {
      case "muted":
        return this.#stop("microphone", "moderator");
      case "video_paused":
        return this.#stop("camera", "moderator");
      case "share_stopped":
        return this.#stopShare();
      case "disallowed":
        return what.source === "screen" ? this.#stopShare() : this.#stop(what.source, "moderator");
      case "allowed":
      case "role_changed":
      case "profile_approved":
      case "profile_refused":
        return undefined;
    }
  }

  async #stopShare(): Promise<void> {
    await Promise.all([this.#stop("screen", "moderator"), this.#stop("screen_audio", "moderator")]);
  }

  /** The own line as the server has it: what it no longer holds on is stopped here too. */
  #ownChanged(before: ParticipantView | undefined, now: ParticipantView): void {
    for (const source of SOURCES) {
      const state = now.sources[source];
      const forbidden = state === "withdrawn" || state === "not_allowed";
      const turnedOff = state === "off" && before?.sources[source] === "on";
      if (forbidden || turnedOff) void this.#stop(source, forbidden ? "moderator" : "connection");
    }
  }

  /** Everything that was missed has been heard: make the server's state and the own tracks agree. */
  #synced(): void {
    if (this.#state.phase !== "admitted") return;
    // A new transport knows nothing of what this page shows.
    this.#looks.repeat();
    const own = ownLine(this.#state.room);
    for (const source of SOURCES) {
      const sending = this.#local.get(source) !== undefined;
      const state = own?.sources[source];
      if (state === "on" && !sending) this.#quietly({ type: "publish", source, on: false });
      if (state !== "on" && sending) void this.#stop(source, "connection");
    }
  }

  async #ended(source: Source): Promise<void> {
    await this.#stop(source, "device");
    this.#quietly({ type: "publish", source, on: false });
  }

  async #put(source: Source, track: MediaStreamTrack): Promise<void> {
    this.#local.put(source, track);
    if (this.#local.get(source) !== track) return;
    this.#patch({ local: this.#local.all() });
    await this.#media.send(source, track);
  }

  async #stop(source: Source, cause: StopCause): Promise<void> {
    if (this.#local.get(source) === undefined) return;
    await this.#drop(source);
    this.#emitter.emit("stopped", { source, cause });
  }

  #stopAll(): void {
    for (const source of SOURCES) void this.#stop(source, "connection");
  }

  async #drop(source: Source): Promise<void> {
    if (!this.#local.drop(source)) return;
    this.#patch({ local: this.#local.all() });
    await this.#media.send(source, null);
  }

  #closed(code: FailureCode, text: string): void {
    const wasIn = this.#state.phase === "admitted";
    this.#rest();
    this.#set({ phase: "closed", code, text, wasIn });
  }

  /** Nothing is sent, shown or measured any more. */
  #rest(): void {
    this.#caption(NO_CAPTIONS);
    clearInterval(this.#measuring);
    this.#looks.stop();
    this.#local.dropAll();
    this.#media.stop();
  }
}

function chatPage(done: Done): ChatPage {
  return done.type === "chat_page" ? done : { messages: [], more: false };
}
