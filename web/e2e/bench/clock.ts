// What the measurement puts into a page: it notes when a WebSocket of the page opens and when the first frame of video comes out
// of a decoder after that. `installClock` is run inside the page, after the probe, and may use nothing from outside itself.

export interface Times {
  /** From the page's wish for a WebSocket to its opening: TCP, TLS and the upgrade. */
  opening: number;
  /** From the opening to the first decoded frame. */
  media: number;
}

export interface Clock {
  /** The times of the page's newest way into a room; settles when a frame has come. */
  arrived: Promise<Times>;
  /** From an offer to the first decoded frame between two bare peer connections in this page. */
  bare(): Promise<number>;
}

declare global {
  interface Window {
    clock: Clock;
  }
}

export function installClock(): void {
  interface Processor {
    readable: ReadableStream<{ close(): void }>;
  }
  const { MediaStreamTrackProcessor } = window as unknown as {
    MediaStreamTrackProcessor: new (options: { track: MediaStreamTrack }) => Processor;
  };
  const RealSocket = window.WebSocket;
  const RealPeer = window.RTCPeerConnection;
  let asked = 0;
  let opened = 0;
  let arrived: (times: Times) => void = () => undefined;

  /** When the first frame comes out of this track, whatever is done with it besides. */
  async function firstFrame(track: MediaStreamTrack): Promise<number> {
    const reader = new MediaStreamTrackProcessor({ track: track.clone() }).readable.getReader();
    const { value } = await reader.read();
    const at = performance.now();
    value?.close();
    await reader.cancel();
    return value === undefined ? new Promise(() => undefined) : at;
  }

  class TimedSocket extends RealSocket {
    constructor(url: string | URL, protocols?: string | string[]) {
      asked = performance.now();
      clock.arrived = new Promise((resolve) => (arrived = resolve));
      super(url, protocols);
      this.addEventListener("open", () => (opened = performance.now()));
    }
  }
  window.WebSocket = TimedSocket;

  class TimedPeer extends RealPeer {
    override async setRemoteDescription(description: RTCSessionDescriptionInit): Promise<void> {
      // Before anything can come: the answer is what lets media in.
      for (const { receiver, direction } of this.getTransceivers()) {
        if (direction !== "recvonly" || receiver.track.kind !== "video") continue;
        void firstFrame(receiver.track).then((at) => arrived({ opening: opened - asked, media: at - opened }));
      }
      await super.setRemoteDescription(description);
    }
  }
  window.RTCPeerConnection = TimedPeer;

  const clock: Clock = {
    arrived: new Promise((resolve) => (arrived = resolve)),
    async bare() {
      const stream = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 360 } });
      const [track] = stream.getVideoTracks();
      if (track === undefined) throw new Error("no camera");
      const [from, to] = [new RealPeer(), new RealPeer()];
      from.onicecandidate = ({ candidate }) => void to.addIceCandidate(candidate ?? undefined);
      to.onicecandidate = ({ candidate }) => void from.addIceCandidate(candidate ?? undefined);
      const frame = new Promise<number>((resolve) => (to.ontrack = (event) => void firstFrame(event.track).then(resolve)));
      from.addTrack(track, stream);
      const begun = performance.now();
      await from.setLocalDescription();
      await to.setRemoteDescription(from.localDescription as RTCSessionDescription);
      await to.setLocalDescription();
      await from.setRemoteDescription(to.localDescription as RTCSessionDescription);
      const at = await frame;
      from.close();
      to.close();
      track.stop();
      return at - begun;
    },
  };
  window.clock = clock;
}
