// One meeting for the page: the client's state as signals, the person's acts with their refusals turned into notices, and
// the events of the room in words.

import { CallFailed, Conclave, isModerator, ownLine, type CaptionsView, type KnockView, type PendingProfile, type QualityReport, type Source, type State } from "@conclave/sdk";
import { computed, effect, signal } from "@preact/signals";
import { Captions } from "../captions/model";
import type { CaptionsTab } from "../captions/panel";
import { Chat } from "../chat/model";
import { DeviceTrouble, openCamera, openMicrophone, openScreen } from "../devices/open";
import { factorHere, leaveFactor } from "../pages/factor";
import { textOf } from "../ui/failure";
import { stoppedSaid } from "../words/notices";
import { ASK } from "../words/people";
import { COPIED } from "../words/session";
import type { Act } from "./acts";
import { knockTitle } from "./alert";
import { Notices } from "./notices";
import { tell, toldOnEntry } from "./telling";
import { onLineChange } from "./line";
import { titleOf } from "./waiting";
import { stored } from "../kept";

export type Panel = "people" | "captions" | "chat" | "room";
export type PeopleTab = "people" | "waiting" | "changes";
export type RoomTab = "controls" | "invite" | "quality" | "settings" | "audit";
export type Layout = "grid" | "speaker";

const LAYOUT = "conclave.layout";

export class Meeting {
  readonly client: Conclave;
  readonly notices = new Notices();
  readonly state = signal<State>({ phase: "connecting" });
  /** Counts up when remote tracks change, so that pictures ask for theirs again. */
  readonly tracks = signal(0);
  readonly panel = signal<Panel | null>(null);
  readonly peopleTab = signal<PeopleTab>("people");
  readonly roomTab = signal<RoomTab>("controls");
  readonly captionsTab = signal<CaptionsTab>("live");
  readonly layout = signal<Layout>(stored.getItem(LAYOUT) === "speaker" ? "speaker" : "grid");
  /** An act that waits for the host to confirm it. */
  readonly confirming = signal<Act | null>(null);
  /** The dialogs of the whole meeting; one at a time. */
  readonly dialog = signal<"profile" | "preferences" | "connection" | "shortcuts" | "suspend" | "end" | "mute_all" | null>(null);
  /** What the own connection did in the last few seconds. */
  readonly quality = signal<QualityReport | null>(null);
  /** What the own act did, for those who listen. */
  readonly effect = signal("");
  /** The own change that waits for a host. */
  readonly ownChange = signal<"none" | "held">("none");
  /** The person whose line in the people panel is open. */
  readonly opened = signal<string | null>(null);
  readonly deviceTrouble = signal<DeviceTrouble | null>(null);
  /** Sources whose turning on or off is under way. */
  readonly busy = signal<ReadonlySet<Source>>(new Set());

  readonly room = computed(() => (this.state.value.phase === "admitted" ? this.state.value.room : null));
  readonly own = computed(() => (this.room.value === null ? undefined : ownLine(this.room.value)));
  /** They would lead here, had they shown the second factor that is asked for. */
  readonly lacksFactor = computed(() => this.room.value?.lacks_factor === true);
  readonly moderates = computed(() => isModerator(this.own.value) && !this.lacksFactor.value);
  readonly knocks = computed<readonly KnockView[]>(() => this.room.value?.knocks ?? []);
  /** New names and pictures that wait for a host. */
  readonly changes = computed<readonly PendingProfile[]>(() => this.room.value?.pending_profiles ?? []);
  /** How many wait, those on later pages included. */
  readonly waiting = computed(() => this.room.value?.lobby?.waiting ?? this.knocks.value.length);
  readonly chat: Chat;
  readonly captions: Captions;

  /** How captions stood before the last event about them. */
  captionsWere: CaptionsView["state"] = "off";
  /** What was told of where words go. */
  captionsOutside = false;

  /** How often a device was chosen while its source was on. */
  readonly #choices = { microphone: 0, camera: 0 };
  readonly #ends: (() => void)[];

  constructor(client: Conclave) {
    this.client = client;
    this.chat = new Chat(client, () => this.panel.value === "chat" && !document.hidden);
    this.captions = new Captions(client);
    this.state.value = client.state;
    const visible = () => client.setHidden(document.hidden);
    const changed = () => client.networkChanged();
    document.addEventListener("visibilitychange", visible);
    addEventListener("online", changed);
    this.#ends = [
      client.on("state", (state) => {
        const before = this.state.peek();
        this.state.value = state;
        this.captions.follow(state);
        if (state.phase === "admitted" && before.phase !== "admitted") toldOnEntry(this, state.room.captions);
      }),
      client.on("anew", () => void this.chat.anew()),
      client.on("captions", (captions) => this.captions.take(captions)),
      client.on("tracks", () => (this.tracks.value += 1)),
      client.on("copied", () => this.notices.say(COPIED, { tone: "warn", topic: "copied", stay: true })),
      client.on("quality", (report) => (this.quality.value = report)),
      client.on("event", (event) => tell(this, event)),
      client.on("stopped", ({ source, cause }) => {
        const text = stoppedSaid(source, cause);
        if (text === null) return;
        const again = source !== "screen_audio" && cause === "connection" ? [{ label: "Turn on again", run: () => (this.sends(source) ? undefined : this.toggle(source)) }] : [];
        this.notices.say(text, { topic: `stopped.${source}`, actions: again });
      }),
      effect(() => {
        const room = this.room.value;
        const waiting = knockTitle.value ? this.waiting.value : 0;
        document.title = room === null ? "Conclave" : titleOf(room.title, waiting);
      }),
      effect(() => {
        const state = this.state.value;
        if (state.phase !== "admitted") return;
        // What is on again has not stopped.
        for (const source of Object.keys(state.local)) this.notices.withdraw(`stopped.${source}`);
      }),
      effect(() => {
        const listed = this.panel.value === "people" && this.peopleTab.value === "waiting";
        if (listed || this.waiting.value === 0) this.withdrawKnocks();
      }),
      effect(() => {
        // The panel says all of it.
        if (this.panel.value !== "captions") return;
        for (const topic of ["captions", "captions.state", "transcript"]) this.notices.withdraw(topic);
      }),
      effect(() => {
        if (this.panel.value !== "chat") return;
        this.chat.read();
        this.notices.withdraw("chat");
      }),
      effect(() => {
        const { phase } = this.state.value;
        if (phase !== "admitted") leaveFactor();
        if (phase === "waiting" || phase === "connecting") this.#outside();
      }),
      () => document.removeEventListener("visibilitychange", visible),
      () => removeEventListener("online", changed),
      onLineChange(navigator, changed),
    ];
  }

  /** The page lets go of this meeting; a client that is still in leaves. */
  dispose(): void {
    this.client.leave();
    leaveFactor();
    this.captions.dispose();
    for (const end of this.#ends) end();
    this.notices.clear();
    document.title = "Conclave";
  }

  /** Does something, and says the refusal if there is one. Where a second factor is missing it is asked for, and then it is done. */
  async attempt(work: () => Promise<unknown>): Promise<boolean> {
    const wantFactor = factorHere();
    try {
      try {
        await work();
      } catch (failure) {
        const lacks = failure instanceof CallFailed && failure.code === "second_factor_required";
        if (!lacks || !(await wantFactor())) throw failure;
        await work();
      }
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

  /** Lets someone in as they were shown. Where two hosts must agree, the first one's word does not do it yet. */
  letIn(knock: KnockView): Promise<boolean> {
    const said = () => {
      const waits = this.knocks.value.some((one) => one.knock === knock.knock && one.agreed_by !== null);
      return waits ? `You agree that ${knock.name} comes in. One more host must.` : `${knock.name} was let in.`;
    };
    return this.doing(said, () => this.client.admit(knock.knock, knock.version));
  }

  /** Does an act of a host, or asks first where it cannot be taken back. */
  async act(act: Act, confirmed = false): Promise<void> {
    if (act.confirm !== undefined && !confirmed) {
      this.confirming.value = act;
      return;
    }
    this.confirming.value = null;
    if (await this.attempt(() => act.run(this.client))) this.announce(act.done);
  }

  /** Does something for the whole room and says what it did. */
  async doing(done: string | ((result: unknown) => string), work: () => Promise<unknown>): Promise<boolean> {
    return this.attempt(async () => {
      const result = await work();
      this.announce(typeof done === "string" ? done : done(result));
    });
  }

  /** Whether what the person says may be turned into text. */
  captionMe(allowed: boolean): Promise<boolean> {
    return this.doing(allowed ? "What you say may be turned into text again." : "Nothing that you say is turned into text.", () => this.client.captionMe(allowed));
  }

  openCaptions(tab: CaptionsTab): void {
    this.captionsTab.value = tab;
    this.panel.value = "captions";
  }

  announce(text: string): void {
    // The same words twice are read twice.
    this.effect.value = this.effect.peek() === text ? `${text}\u00a0` : text;
  }

  setLayout(layout: Layout): void {
    this.layout.value = layout;
    stored.setItem(LAYOUT, layout);
    this.announce(layout === "speaker" ? "Whoever speaks is shown large." : "Everyone is shown in a grid.");
  }

  /** Opens a panel, or closes it when it is open at this place already. */
  open(panel: Panel, tab?: PeopleTab | RoomTab): void {
    const here = this.panel.value === panel && (tab === undefined || tab === (panel === "people" ? this.peopleTab.value : this.roomTab.value));
    if (here) {
      this.panel.value = null;
      return;
    }
    if (panel === "people") this.peopleTab.value = (tab as PeopleTab | undefined) ?? (this.moderates.value && this.waiting.value > 0 ? "waiting" : "people");
    if (panel === "room") this.roomTab.value = (tab as RoomTab | undefined) ?? "controls";
    this.panel.value = panel;
  }

  /** Opens the people panel at one person. */
  showPerson(participant: string): void {
    this.opened.value = participant;
    this.peopleTab.value = "people";
    this.panel.value = "people";
  }

  /** The person wants another try at sound and pictures, and hears when nothing comes of it. */
  async retryMedia(): Promise<void> {
    const taken = await this.client.retryMedia();
    if (!taken && this.state.value.phase === "admitted") this.notices.say("It did not work this time either.", { topic: "media" });
  }

  withdrawKnocks(): void {
    for (const notice of this.notices.list.peek()) {
      if (notice.topic?.startsWith("knock.") === true) this.notices.dismiss(notice.id);
    }
  }

  /** The chosen device changed while it is on. */
  async swap(source: "microphone" | "camera"): Promise<void> {
    if (!this.sends(source)) return;
    const choice = (this.#choices[source] += 1);
    await this.#withDevice(async () => {
      const track = source === "camera" ? await openCamera() : await openMicrophone();
      // Another one was chosen since.
      if (choice !== this.#choices[source]) track.stop();
      else await this.client.swap(source, track);
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

  /** Out of the room again: nothing of it stays on the page. */
  #outside(): void {
    this.panel.value = null;
    this.dialog.value = null;
    this.confirming.value = null;
    this.opened.value = null;
    this.ownChange.value = "none";
    this.quality.value = null;
    this.effect.value = "";
    this.notices.clear();
    this.chat.clear();
  }
}
