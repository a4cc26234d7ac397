// What a story puts into a page before the page's own code: a look at every frame of its WebSockets, a voice of its own on
// them, a look at its peer connections, and ears that can be stopped up, so that the page goes on sending whatever it is told.
// `installProbe` is run inside the page and may use nothing from outside itself.

export interface StatsLine {
  participant: string;
  source: string;
  received: number;
  forwarded: number;
  dropped: number;
}

export interface Received {
  framesDecoded: number;
  audioEnergy: number;
  packets: number;
}

/** The own voice, as it goes out. */
export interface Voice {
  codec: string;
  packets: number;
  bytes: number;
  energy: number;
  seconds: number;
}

/** One received stream and whose it is, as the slots say. */
export interface Inbound {
  participant: string;
  source: string;
  mid: string;
  kind: string;
  codec: string;
  bytes: number;
  packets: number;
  frames: number;
  width: number;
  height: number;
  energy: number;
  /** Of the sound that was given out: how long it is in seconds, samples of it, and how many of them were made up or shortened away. */
  seconds: number;
  samples: number;
  concealed: number;
  silent: number;
  removed: number;
  inserted: number;
  /** Seconds that all samples together lay in the buffer, and how many they were. */
  waited: number;
  emitted: number;
  freezes: number;
  frozen: number;
}

export interface Wire {
  /** Every text frame that came, in order. */
  readonly frames: string[];
  /** When each of them came, by the clock of this machine. */
  readonly times: number[];
  /** The newest resume secret of this tab. */
  secret: string | null;
  /** Sends a request of the story's own and gives its answer. */
  request(request: object): Promise<unknown>;
  /** The media counters at the moment when the page's next request of this type is acknowledged. */
  statsWhenDone(type: string): Promise<StatsLine[]>;
  /** Gives the page an event as the server would; nothing the server says afterwards is heard. */
  feed(event: object): void;
  /** Gives the page a caption as the server would; the server is heard as before. */
  caption(cue: object): void;
  /** Breaks the newest connection as a network would. */
  drop(): void;
  /** Opens a connection beside the page's own and gives the first message that comes back. */
  first(room: string, request: object): Promise<{ type: string; code?: string }>;
}

export interface Media {
  readonly peers: RTCPeerConnection[];
  /** Do not obey: no track is taken out or stopped, no connection is closed. */
  deaf: boolean;
  received(): Promise<Received>;
  /** Bytes of every picture that ever came. */
  videoBytes(): Promise<number>;
  /** What carries the packets now; null while nothing does. */
  way(): Promise<string | null>;
  /** Which share of the sound sent here was lost on the way: sound is never sent again. */
  lost(): Promise<number>;
  /** Every stream that a slot carries now. */
  inbound(): Promise<Inbound[]>;
  /** What is sent of the own microphone; null while nothing is. */
  voice(): Promise<Voice | null>;
}

declare global {
  interface Window {
    wire: Wire;
    media: Media;
  }
}

export function installProbe(options: { relay: number | null }): void {
  const own = new Map<number, (reply: { ok?: unknown; error?: { code: string } }) => void>();
  const awaited = new Map<string, (lines: StatsLine[]) => void>();
  const asked = new Map<number, string>();
  const RealSocket = window.WebSocket;
  let current: WebSocket | null = null;
  let last = 3_000_000_000;
  let lastSeq = 0;
  let fed = false;
  let slots: { mid: string; participant: string; source: string }[] = [];

  /** Signs with the page's own key, as a hostile script in the page could. */
  async function prove(nonce: string): Promise<string> {
    const keys = await new Promise<CryptoKeyPair>((found, failed) => {
      const opened = indexedDB.open("conclave");
      opened.onerror = () => failed(opened.error);
      opened.onsuccess = () => {
        const asked = opened.result.transaction("keys").objectStore("keys").get("session");
        asked.onsuccess = () => found(asked.result as CryptoKeyPair);
        asked.onerror = () => failed(asked.error);
      };
    });
    const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", keys.publicKey);
    const text = (bytes: Uint8Array) => btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
    const encode = (value: object) => text(new TextEncoder().encode(JSON.stringify(value)));
    const claims = { htm: "GET", htu: `${location.origin}/ws`, jti: crypto.randomUUID(), iat: 0, nonce };
    const signed = `${encode({ typ: "dpop+jwt", alg: "ES256", jwk: { kty, crv, x, y } })}.${encode(claims)}`;
    const signature = await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, keys.privateKey, new TextEncoder().encode(signed));
    return `${signed}.${text(new Uint8Array(signature))}`;
  }

  function ask(request: object): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const id = (last += 1);
      own.set(id, (reply) => (reply.error === undefined ? resolve(reply.ok) : reject(new Error(reply.error.code))));
      RealSocket.prototype.send.call(current, JSON.stringify({ id, request }));
    });
  }

  function heard(text: string): void {
    wire.frames.push(text);
    wire.times.push(Date.now());
    const message = JSON.parse(text) as { type: string; id?: number; seq?: number; resume?: string; event?: { type: string; slots?: typeof slots }; ok?: unknown; error?: { code: string } };
    if (message.seq !== undefined) lastSeq = message.seq;
    if (message.event?.type === "slots") slots = message.event.slots ?? [];
    if (message.resume !== undefined) wire.secret = message.resume;
    if (message.type !== "reply" || message.id === undefined) return;
    const type = asked.get(message.id);
    asked.delete(message.id);
    const waiting = type === undefined ? undefined : awaited.get(type);
    if (type !== undefined && waiting !== undefined && message.ok !== undefined) {
      awaited.delete(type);
      void ask({ type: "stats" }).then((done) => waiting((done as { sources: StatsLine[] }).sources));
    }
    own.get(message.id)?.(message);
    own.delete(message.id);
  }

  class ProbedSocket extends RealSocket {
    constructor(url: string | URL, protocols?: string | string[]) {
      super(url, protocols);
      current = this;
      // Before any listener of the page, so that the counters are asked for before the page reacts.
      this.addEventListener("message", (event: MessageEvent<string>) => {
        if (fed && event.isTrusted) event.stopImmediatePropagation();
        else heard(event.data);
      });
    }

    override send(data: string): void {
      const frame = JSON.parse(data) as { id: number; request: { type: string } };
      asked.set(frame.id, frame.request.type);
      super.send(data);
    }
  }
  window.WebSocket = ProbedSocket;

  const wire: Wire = {
    frames: [],
    times: [],
    secret: null,
    request: ask,
    statsWhenDone: (type) => new Promise((resolve) => awaited.set(type, resolve)),
    feed: (event) => {
      lastSeq += 1;
      fed = true;
      current?.dispatchEvent(new MessageEvent("message", { data: JSON.stringify({ type: "event", seq: lastSeq, event }) }));
    },
    caption: (cue) => void current?.dispatchEvent(new MessageEvent("message", { data: JSON.stringify({ type: "cue", cue }) })),
    drop: () => current?.close(4999),
    first: (room, request) =>
      new Promise((resolve, reject) => {
        const socket = new RealSocket(`wss://${location.host}/ws`, "conclave.v1");
        socket.onmessage = (event: MessageEvent<string>) => {
          const message = JSON.parse(event.data) as { type: string; code?: string; nonce?: string };
          if (message.type === "challenge") {
            prove(message.nonce ?? "").then((proof) => socket.send(JSON.stringify({ id: 1, proof, request: { room, ...request } })), reject);
            return;
          }
          resolve(message);
          socket.close();
        };
        socket.onerror = () => reject(new Error("the connection was refused"));
      }),
  };
  window.wire = wire;

  const peers: RTCPeerConnection[] = [];
  const RealPeer = window.RTCPeerConnection;
  class ProbedPeer extends RealPeer {
    #ears = 0;

    constructor(configuration?: RTCConfiguration) {
      super(configuration);
      peers.push(this);
    }

    // A page may have fewer slots for sound than this one: `probe.slots` says how many.
    override addTransceiver(what: MediaStreamTrack | string, init?: RTCRtpTransceiverInit): RTCRtpTransceiver {
      const most = sessionStorage.getItem("probe.slots");
      const full = most !== null && what === "audio" && init?.direction === "recvonly" && (this.#ears += 1) > Number(most);
      return super.addTransceiver(what, full ? { ...init, direction: "inactive" } : init);
    }

    override setRemoteDescription(description: RTCSessionDescriptionInit): Promise<void> {
      if (sessionStorage.getItem("probe.dtx") === "off") description = { type: "answer", sdp: (description.sdp ?? "").replaceAll("usedtx=1", "usedtx=0") };
      // A network that lets no UDP out leaves these.
      if (sessionStorage.getItem("probe.way") === "tcp") {
        const tcp = (description.sdp ?? "").split("\r\n").filter((line) => !/^a=candidate:\S+ \d+ udp /iu.test(line));
        return super.setRemoteDescription({ type: "answer", sdp: tcp.join("\r\n") });
      }
      if (options.relay === null) return super.setRemoteDescription(description);
      let named = false;
      const lines = (description.sdp ?? "").split("\r\n").flatMap((line) => {
        if (!line.startsWith("a=candidate:")) return [line];
        if (named) return [];
        named = true;
        return [`a=candidate:1 1 udp 2130706431 127.0.0.1 ${options.relay} typ host`];
      });
      return super.setRemoteDescription({ type: "answer", sdp: lines.join("\r\n") });
    }

    override close(): void {
      if (!media.deaf) super.close();
    }
  }
  window.RTCPeerConnection = ProbedPeer;

  // A story may want another codec than the page prefers: `probe.audio` and `probe.video` name it, as in `PCMU`.
  const realPreferences = RTCRtpTransceiver.prototype.setCodecPreferences;
  RTCRtpTransceiver.prototype.setCodecPreferences = function (codecs) {
    const wanted = this.direction === "sendonly" ? sessionStorage.getItem(`probe.${this.receiver.track.kind}`) : null;
    const list = [...codecs];
    const first = (codec: { mimeType: string }) => Number(codec.mimeType.toLowerCase().endsWith(`/${(wanted ?? "").toLowerCase()}`));
    return realPreferences.call(this, wanted === null ? list : list.toSorted((a, b) => first(b) - first(a)));
  };

  const realReplace = RTCRtpSender.prototype.replaceTrack;
  RTCRtpSender.prototype.replaceTrack = function (track) {
    return media.deaf && track === null ? Promise.resolve() : realReplace.call(this, track);
  };
  const realStop = MediaStreamTrack.prototype.stop;
  MediaStreamTrack.prototype.stop = function () {
    if (!media.deaf) realStop.call(this);
  };

  const media: Media = {
    peers,
    deaf: false,
    async received() {
      const sum: Received = { framesDecoded: 0, audioEnergy: 0, packets: 0 };
      const report = await peers.at(-1)?.getStats();
      report?.forEach((line: { type: string; framesDecoded?: number; totalAudioEnergy?: number; packetsReceived?: number }) => {
        if (line.type !== "inbound-rtp") return;
        sum.framesDecoded += line.framesDecoded ?? 0;
        sum.audioEnergy += line.totalAudioEnergy ?? 0;
        sum.packets += line.packetsReceived ?? 0;
      });
      return sum;
    },
    async videoBytes() {
      let sum = 0;
      const report = await peers.at(-1)?.getStats();
      report?.forEach((line: { type: string; kind?: string; bytesReceived?: number }) => {
        if (line.type === "inbound-rtp" && line.kind === "video") sum += line.bytesReceived ?? 0;
      });
      return sum;
    },
    async lost() {
      let [lost, came] = [0, 0];
      const report = await peers.at(-1)?.getStats();
      report?.forEach((line: { type: string; kind?: string; packetsLost?: number; packetsReceived?: number }) => {
        if (line.type !== "inbound-rtp" || line.kind !== "audio") return;
        lost += line.packetsLost ?? 0;
        came += line.packetsReceived ?? 0;
      });
      return lost / Math.max(1, lost + came);
    },
    async way() {
      const report = await peers.at(-1)?.getStats();
      const lines = new Map<string, Record<string, unknown>>();
      report?.forEach((line: Record<string, unknown> & { id: string }) => lines.set(line.id, line));
      const pair = [...lines.values()].find((line) => line["type"] === "candidate-pair" && line["nominated"] === true && line["state"] === "succeeded");
      const protocol = lines.get(String(pair?.["localCandidateId"]))?.["protocol"];
      return typeof protocol === "string" ? protocol : null;
    },
    async voice() {
      const report = await peers.at(-1)?.getStats();
      const lines: (Record<string, unknown> & { id: string })[] = [];
      report?.forEach((line: Record<string, unknown> & { id: string }) => lines.push(line));
      const sent = lines.find((line) => line["type"] === "outbound-rtp" && line["kind"] === "audio" && Number(line["packetsSent"]) > 0);
      if (sent === undefined) return null;
      const by = (id: unknown) => lines.find((line) => line.id === id);
      const source = by(sent["mediaSourceId"]);
      return {
        codec: String(by(sent["codecId"])?.["mimeType"] ?? ""),
        packets: Number(sent["packetsSent"]),
        bytes: Number(sent["bytesSent"]),
        energy: Number(source?.["totalAudioEnergy"] ?? 0),
        seconds: Number(source?.["totalSamplesDuration"] ?? 0),
      };
    },
    async inbound() {
      const report = await peers.at(-1)?.getStats();
      const byId = new Map<string, Record<string, unknown>>();
      report?.forEach((line: Record<string, unknown> & { id: string }) => byId.set(line.id, line));
      const mids = new Map(peers.at(-1)?.getTransceivers().map((section) => [section.receiver.track.id, section.mid ?? ""]));
      const found: Inbound[] = [];
      for (const line of byId.values()) {
        if (line["type"] !== "inbound-rtp") continue;
        const mid = String(line["mid"] ?? mids.get(String(line["trackIdentifier"])) ?? "");
        const slot = slots.find((one) => one.mid === mid);
        if (slot === undefined) continue;
        const number = (name: string) => Number(line[name] ?? 0);
        found.push({
          ...slot,
          kind: String(line["kind"]),
          codec: String(byId.get(String(line["codecId"]))?.["mimeType"] ?? ""),
          bytes: number("bytesReceived"),
          packets: number("packetsReceived"),
          frames: number("framesDecoded"),
          width: number("frameWidth"),
          height: number("frameHeight"),
          energy: number("totalAudioEnergy"),
          seconds: number("totalSamplesDuration"),
          samples: number("totalSamplesReceived"),
          concealed: number("concealedSamples"),
          silent: number("silentConcealedSamples"),
          removed: number("removedSamplesForAcceleration"),
          inserted: number("insertedSamplesForDeceleration"),
          waited: number("jitterBufferDelay"),
          emitted: number("jitterBufferEmittedCount"),
          freezes: number("freezeCount"),
          frozen: number("totalFreezesDuration"),
        });
      }
      return found;
    },
  };
  window.media = media;
}
