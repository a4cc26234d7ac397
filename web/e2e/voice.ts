// A voice of one pitch in place of the microphone, as loud as the story wants, and ears that say which pitch a slot gives out. Both
// are run inside a page and may use nothing from outside themselves.

export interface Throat {
  /** From now on the voice is so loud, 1 at most; 0 is nothing at all. */
  speak(loud: number): void;
  /** It speaks so loud for so many milliseconds, rests for others, and so on. */
  talk(loud: number, speaks: number, rests: number): void;
}

export interface Heard {
  /** In hertz. */
  pitch: number;
  /** Of the whole, 1 at most. */
  loud: number;
}

declare global {
  interface Window {
    throat: Throat;
  }
}

/** From now on the microphone that the page opens is this voice. It is silent until it is told to speak. */
export function installVoice(pitch: number): void {
  let voice: { audio: AudioContext; gain: GainNode; stream: MediaStream } | undefined;
  let loudness = 0;
  let talking: ReturnType<typeof setInterval> | undefined;
  const open = () => {
    if (voice !== undefined) return voice;
    const audio = new AudioContext({ sampleRate: 48_000 });
    const tone = audio.createOscillator();
    const gain = audio.createGain();
    const out = audio.createMediaStreamDestination();
    out.channelCount = 1;
    gain.gain.value = loudness;
    tone.frequency.value = pitch;
    tone.connect(gain).connect(out);
    tone.start();
    voice = { audio, gain, stream: out.stream };
    return voice;
  };
  const set = (loud: number) => {
    loudness = loud;
    voice?.gain.gain.setTargetAtTime(loud, voice.audio.currentTime, 0.005);
    // It would never quite get there.
    if (loud === 0) voice?.gain.gain.setValueAtTime(0, voice.audio.currentTime + 0.05);
  };
  window.throat = {
    speak: (loud) => {
      clearInterval(talking);
      set(loud);
    },
    talk: (loud, speaks, rests) => {
      clearInterval(talking);
      const began = performance.now();
      talking = setInterval(() => {
        const wanted = (performance.now() - began) % (speaks + rests) < speaks ? loud : 0;
        if (wanted !== loudness) set(wanted);
      }, 10);
    },
  };
  const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = (wanted) => {
    if (wanted?.video !== undefined) return real(wanted);
    return Promise.resolve(new MediaStream(open().stream.getTracks().map((track) => track.clone())));
  };
}

/** Listens to some slots at once. */
export async function listen(mids: readonly string[]): Promise<Heard[]> {
  const LISTEN_MS = 600;
  const audio = new AudioContext({ sampleRate: 48_000 });
  const ears = mids.map((mid) => {
    const track = window.media.peers.at(-1)?.getTransceivers().find((section) => section.mid === mid)?.receiver.track;
    if (track === undefined) throw new Error(`there is no slot ${mid}`);
    const ear = audio.createAnalyser();
    ear.fftSize = 8_192;
    ear.smoothingTimeConstant = 0;
    audio.createMediaStreamSource(new MediaStream([track])).connect(ear);
    return ear;
  });
  await audio.resume();
  await new Promise((resume) => setTimeout(resume, LISTEN_MS));
  const heard = ears.map((ear) => {
    const bins = new Float32Array(ear.frequencyBinCount);
    const wave = new Float32Array(ear.fftSize);
    ear.getFloatFrequencyData(bins);
    ear.getFloatTimeDomainData(wave);
    let top = 0;
    bins.forEach((level, at) => {
      if (level > (bins[top] ?? 0)) top = at;
    });
    return { pitch: (top * audio.sampleRate) / ear.fftSize, loud: Math.max(...wave.map(Math.abs)) };
  });
  await audio.close();
  return heard;
}
