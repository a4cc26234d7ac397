// What a browser's own connection is told to send.

import { afterEach, expect, test, vi } from "vitest";
import { browserTransport } from "../src/media/transport";
import { fakeTrack } from "./fakes";

interface Encoding {
  rid?: string;
  active?: boolean;
}

/** Stands in for a section of the browser's. */
class Section {
  readonly encodings: Encoding[];
  track: MediaStreamTrack | null = null;

  constructor(encodings: readonly Encoding[]) {
    this.encodings = encodings.map((encoding) => ({ ...encoding }));
  }

  readonly sender = {
    getParameters: () => ({ encodings: this.encodings.map((encoding) => ({ ...encoding })) }),
    setParameters: async ({ encodings }: { encodings: Encoding[] }) => void this.encodings.splice(0, Infinity, ...encodings),
    replaceTrack: async (track: MediaStreamTrack | null) => void (this.track = track),
    getTrack: () => this.track,
    get track() {
      return this.getTrack();
    },
  };

  setCodecPreferences(): void {}
}

afterEach(() => vi.unstubAllGlobals());

test("a camera that is turned on again is sent whole, whatever nobody wanted before", async () => {
  const sections: Section[] = [];
  class Peer {
    addTransceiver(_kind: string, { sendEncodings = [] }: { sendEncodings?: Encoding[] }): Section {
      const section = new Section(sendEncodings);
      sections.push(section);
      return section;
    }
  }
  vi.stubGlobal("RTCPeerConnection", Peer);
  vi.stubGlobal("RTCRtpReceiver", { getCapabilities: () => null });
  vi.stubGlobal("RTCRtpSender", { getCapabilities: () => null });
  const transport = browserTransport(() => {}, []);
  const camera = sections.find((section) => section.encodings.length === 3);
  const active = () => camera?.encodings.map((encoding) => encoding.active);
  const track = Object.assign(fakeTrack("video"), { getSettings: () => ({ height: 720 }) }) as unknown as MediaStreamTrack;
  await transport.send("camera", track);
  expect(active()).toEqual([true, true, true]);
  await transport.layers("camera", ["q", "h", "f"].map((rid) => ({ rid, active: false })));
  expect(active()).toEqual([false, false, false]);
  await transport.send("camera", null);
  await transport.send("camera", track);
  expect(active()).toEqual([true, true, true]);
});
