// One meeting for the page: the client's state as signals, the person's acts with their refusals turned into notices, and
// the events of the room in words.

import { Conclave, isModerator, ownLine, type KnockView, type ParticipantView, type RoomEvent, type Source, type State } from "@conclave/sdk";
import { computed, effect, signal } from "@preact/signals";
import { DeviceTrouble, openCamera, openMicrophone, openScreen } from "../devices/open";
import { textOf } from "../ui/failure";
import { askButton, lockSaid, saidOf, settingSaid, stoppedSaid } from "../words/notices";
import { ASK, standing } from "../words/people";
import { Notices } from "./notices";

export type Panel = "people" | "room";

export class Meeting {
  readonly client: Conclave;
  readonly notices = new Notices();
  readonly state = signal<State>({ phase: "connecting" });
  /** Counts up when remote tracks change, so that pictures ask for theirs again. */
  readonly tracks = signal(0);
  readonly panel = signal<Panel | null>(null);
  /** The person whose line in the people panel is open. */
  readonly opened = signal<string | null>(null);
  readonly deviceTrouble = signal<DeviceTrouble | null>(null);
  /** Sources whose turning on or off is under way. */
  readonly busy = signal<ReadonlySet<Source>>(new Set());

  readonly room = computed(() => (this.state.value.phase === "admitted" ? this.state.value.room : null));
  readonly own = computed(() => (this.room.value === null ? undefined : ownLine(this.room.value)));
  readonly moderates = computed(() => isModerator(this.own.value));
  readonly knocks = computed<readonly KnockView[]>(() => this.room.value?.knocks ?? []);

  readonly #ends: (() => void)[];

  constructor(client: Conclave) {
    this.client = client;
    this.state.value = client.state;
    const visible = () => client.setHidden(document.hidden);
    const online = () => client.nudge();
    document.addEventListener("visibilitychange", visible);
    addEventListener("online", online);
    this.#ends = [
      client.on("state", (state) => (this.state.value = state)),
      client.on("tracks", () => (this.tracks.value += 1)),
      client.on("event", (event) => this.#tell(event)),
      client.on("stopped", ({ source, cause }) => {
        const text = stoppedSaid(source, cause);
        if (text === null) return;
        const again = source !== "screen_audio" && cause === "connection" ? [{ label: "Turn on again", run: () => this.toggle(source) }] : [];
        this.notices.say(text, { topic: `stopped.${source}`, actions: again });
      }),
      effect(() => {
        const room = this.room.value;
        const waiting = this.knocks.value.length;
        document.title = room === null ? "Conclave" : `${waiting > 0 ? `(${waiting}) ` : ""}${room.title} – Conclave`;
      }),
      effect(() => {
        if (this.panel.value === "people") this.#withdrawKnocks();
      }),
      () => document.removeEventListener("visibilitychange", visible),
      () => removeEventListener("online", online),
    ];
  }

  /** The page lets go of this meeting; a client that is still in leaves. */
  dispose(): void {
    this.client.leave();
    for (const end of this.#ends) end();
    this.notices.clear();
    document.title = "Conclave";
  }

  /** Does something, and says the refusal if there is one. */
  async attempt(work: () => Promise<unknown>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (failure) {
      this.notices.say(textOf(failure), { tone: "warn", topic: "refusal" });
      return false;
    }
  }

  sends(source: Source): boolean {
    const state = this.state.value;
    return state.phase === "admitted" && state.local[source] !== undefined;
  }

  /** The one button of a source: off when on, on when allowed, a request when not. */
  async toggle(source: "microphone" | "camera" | "screen"): Promise<void> {
    if (this.busy.value.has(source)) return;
    this.busy.value = new Set([...this.busy.value, source]);
    try {
      if (this.sends(source)) await this.#off(source);
      else if (this.mayTurnOn(source)) await this.#on(source);
      else await this.ask(source);
    } finally {
      this.busy.value = new Set([...this.busy.value].filter((other) => other !== source));
    }
  }

  mayTurnOn(source: Source): boolean {
    const state = this.own.value?.sources[source];
    return state === "off" || state === "on";
  }

  async ask(source: Source): Promise<void> {
    const asked = await this.attempt(() => this.client.ask(source));
    if (asked) this.notices.say(`You asked ${ASK[source].replace("their", "your")}. The hosts see it.`, { topic: `right.${source}` });
  }

  async raiseHand(): Promise<void> {
    const up = this.own.value?.hand ?? false;
    await this.attempt(() => this.client.raiseHand(!up));
  }

  admit(knock: KnockView): Promise<boolean> {
    return this.attempt(() => this.client.admit(knock.knock, knock.version));
  }

  deny(knock: KnockView): Promise<boolean> {
    return this.attempt(() => this.client.deny(knock.knock));
  }

  /** Opens the people panel at one person. */
  showPerson(participant: string): void {
    this.opened.value = participant;
    this.panel.value = "people";
  }

  /** The chosen device changed while it is on. */
  async swap(source: "microphone" | "camera"): Promise<void> {
    if (!this.sends(source)) return;
    await this.#withDevice(async () => {
      await this.client.swap(source, source === "camera" ? await openCamera() : await openMicrophone());
    });
  }

  async #on(source: "microphone" | "camera" | "screen"): Promise<void> {
    await this.#withDevice(async () => {
      if (source === "screen") {
        const { picture, sound } = await openScreen();
        try {
          await this.client.turnOn("screen", picture);
        } catch (failure) {
          sound?.stop();
          throw failure;
        }
        if (sound !== null) await this.client.turnOn("screen_audio", sound);
      } else {
        await this.client.turnOn(source, source === "camera" ? await openCamera() : await openMicrophone());
      }
    });
  }

  async #off(source: "microphone" | "camera" | "screen"): Promise<void> {
    await this.attempt(() => this.client.turnOff(source));
    if (source === "screen" && this.sends("screen_audio")) await this.attempt(() => this.client.turnOff("screen_audio"));
  }

  async #withDevice(work: () => Promise<void>): Promise<void> {
    await this.attempt(async () => {
      try {
        await work();
      } catch (failure) {
        if (!(failure instanceof DeviceTrouble)) throw failure;
        if (failure.cause !== "dismissed") this.deviceTrouble.value = failure;
      }
    });
  }

  #tell(event: RoomEvent): void {
    switch (event.type) {
      case "done_to_you": {
        const { text, askFor } = saidOf(event.what, event.by);
        const actions = askFor === undefined ? [] : [{ label: askButton(askFor), run: () => this.ask(askFor) }];
        const tone = askFor === undefined ? "plain" : "warn";
        this.notices.say(text, { tone, actions, topic: event.what.act === "role_changed" ? "role" : `right.${sourceOf(event.what)}` });
        return;
      }
      case "asked": {
        const who = this.#person(event.participant);
        if (who === undefined) return;
        this.notices.say(`${who.name} asks ${ASK[event.source]}.`, {
          tone: "key",
          topic: `asked.${event.participant}.${event.source}`,
          actions: [{ label: "Allow", run: () => this.attempt(() => this.client.allow(event.participant, event.source, true)) }],
        });
        return;
      }
      case "knocked": {
        const { knock } = event;
        // The open panel shows and announces it already.
        if (this.panel.value === "people") return;
        this.notices.say(`${knock.name} (${standing(knock.signed_in)}) knocks${knock.while_locked ? " while the room is locked" : ""}.`, {
          tone: "key",
          topic: `knock.${knock.knock}`,
          actions: [
            { label: "Let in", run: () => this.admit(knock) },
            { label: "See who waits", run: () => (this.panel.value = "people") },
          ],
        });
        return;
      }
      case "knock_gone":
        this.notices.withdraw(`knock.${event.knock}`);
        return;
      case "lobby":
        if (event.knocks === undefined) this.#withdrawKnocks();
        return;
      case "locked":
        this.notices.say(lockSaid(event.locked, event.by), { topic: "locked" });
        return;
      case "setting_changed":
        this.notices.say(settingSaid(event.setting, event.by), { topic: `setting.${event.setting.key}` });
        return;
      case "participant_joined":
      case "participant_changed":
      case "participant_left":
      case "count":
      case "slots":
      case "speaking":
      case "media":
        return;
    }
  }

  #withdrawKnocks(): void {
    for (const notice of this.notices.list.peek()) {
      if (notice.topic?.startsWith("knock.") === true) this.notices.dismiss(notice.id);
    }
  }

  #person(id: string): ParticipantView | undefined {
    return this.room.value?.participants.find((p) => p.participant === id);
  }
}

function sourceOf(what: { act: string; source?: Source }): string {
  switch (what.act) {
    case "muted":
      return "microphone";
    case "video_paused":
      return "camera";
    case "share_stopped":
      return "screen";
    default:
      return what.source ?? "";
  }
}

