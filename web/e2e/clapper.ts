// A clapper for lips and voice: a picture that flashes and a tone that sounds at the same moment, sent in place of camera and
// microphone, and eyes and ears at the other end. Both are run inside a page and may use nothing from outside themselves.

/** How long after its flash each tone was heard, in milliseconds; below zero when it came first. */
export type Offsets = readonly number[];

declare global {
  interface Window {
    /** Ends the clapper; what the page opens afterwards is what it was. */
    clapper?: () => void;
  }
}

/** From now on what the page opens is the clapper. */
export function installClapper(): void {
  const EVERY_MS = 1_000;
  const LASTS_MS = 250;
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [640, 360];
  const paint = canvas.getContext("2d");
  const audio = new AudioContext();
  const tone = audio.createOscillator();
  const gain = audio.createGain();
  const sound = audio.createMediaStreamDestination();
  gain.gain.value = 0;
  tone.frequency.value = 880;
  tone.connect(gain).connect(sound);
  tone.start();
  let lit = false;
  let count = 0;
  const painting = setInterval(() => {
    const now = performance.now() % EVERY_MS < LASTS_MS;
    if (now !== lit) gain.gain.setValueAtTime(now ? 0.6 : 0, audio.currentTime);
    lit = now;
    if (paint === null) return;
    paint.fillStyle = lit ? "#fff" : "#000";
    paint.fillRect(0, 0, canvas.width, canvas.height);
    // Something moves, so that pictures are sent in the dark too.
    paint.fillStyle = "#777";
    paint.fillRect((count += 4) % canvas.width, 340, 20, 20);
  }, 20);
  const picture = canvas.captureStream(30);
  navigator.mediaDevices.getUserMedia = (wanted) => Promise.resolve(new MediaStream((wanted?.video === undefined ? sound.stream : picture).getTracks().map((track) => track.clone())));
  window.clapper = () => {
    clearInterval(painting);
    void audio.close();
    Reflect.deleteProperty(navigator.mediaDevices, "getUserMedia");
  };
}

/** Watches and listens to one person for a while. */
export async function watchClapper(input: { picture: string; sound: string; milliseconds: number }): Promise<number[]> {
  const sections = window.media.peers.at(-1)?.getTransceivers() ?? [];
  const track = (mid: string) => sections.find((section) => section.mid === mid)?.receiver.track;
  const [picture, voice] = [track(input.picture), track(input.sound)];
  if (picture === undefined || voice === undefined) throw new Error("nothing to watch");
  const flashes: number[] = [];
  const tones: number[] = [];

  const video = document.createElement("video");
  video.muted = true;
  video.srcObject = new MediaStream([picture]);
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [16, 9];
  const sketch = canvas.getContext("2d", { willReadFrequently: true });
  let bright = true;
  await video.play();
  const watching = setInterval(() => {
    sketch?.drawImage(video, 0, 0, 16, 9);
    const lit = (sketch?.getImageData(8, 4, 1, 1).data[0] ?? 0) > 128;
    if (lit && !bright) flashes.push(performance.now());
    bright = lit;
  }, 8);

  const audio = new AudioContext();
  const ears = audio.createAnalyser();
  ears.fftSize = 256;
  audio.createMediaStreamSource(new MediaStream([voice])).connect(ears);
  await audio.resume();
  const level = new Float32Array(256);
  const loudness = (): number => {
    ears.getFloatTimeDomainData(level);
    return Math.max(...level.map(Math.abs));
  };
  let loud = true;
  let quietSince = 0;
  const listening = setInterval(() => {
    const now = performance.now();
    const heard = loudness() > 0.05;
    if (heard) {
      if (!loud && now - quietSince > 200) tones.push(now);
      loud = true;
    } else if (loud) {
      loud = false;
      quietSince = now;
    }
  }, 4);
  await new Promise((resume) => setTimeout(resume, input.milliseconds));
  clearInterval(listening);
  clearInterval(watching);
  await audio.close();
  video.srcObject = null;
  return flashes.flatMap((flash) => {
    const near = tones.map((tone) => tone - flash).toSorted((a, b) => Math.abs(a) - Math.abs(b))[0];
    return near === undefined || Math.abs(near) > 450 ? [] : [near];
  });
}

/** Sends the clapper, which was installed before, from this page to itself, without anything between; gives what to watch. */
export async function openMirror(): Promise<{ picture: string; sound: string }> {
  // Those of the browser itself, without what a story put around them.
  const Plain = Object.getPrototypeOf(RTCPeerConnection) as typeof RTCPeerConnection;
  const [there, here] = [new Plain(), new Plain()];
  window.media.peers.push(there, here);
  const whole = async (peer: RTCPeerConnection): Promise<RTCSessionDescriptionInit> => {
    while (peer.iceGatheringState !== "complete" || peer.localDescription === null) await new Promise((resume) => setTimeout(resume, 20));
    return peer.localDescription;
  };
  const [sound, picture] = await Promise.all([navigator.mediaDevices.getUserMedia({ audio: true }), navigator.mediaDevices.getUserMedia({ video: true })]);
  const together = new MediaStream([...sound.getTracks(), ...picture.getTracks()]);
  for (const track of together.getTracks()) there.addTrack(track, together);
  await there.setLocalDescription();
  await here.setRemoteDescription(await whole(there));
  await here.setLocalDescription();
  await there.setRemoteDescription(await whole(here));
  const mid = (kind: string) => here.getTransceivers().find((section) => section.receiver.track.kind === kind)?.mid ?? "";
  return { picture: mid("video"), sound: mid("audio") };
}

/** The page is as it was before its mirror. */
export function closeMirror(): void {
  for (const peer of window.media.peers.splice(-2)) peer.close();
  window.clapper?.();
}
