// How loud the microphone hears, measured on this device and sent nowhere.

import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";

export function Meter(props: { track: MediaStreamTrack }): JSX.Element {
  const bar = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const context = new AudioContext();
    const source = context.createMediaStreamSource(new MediaStream([props.track]));
    const analyser = context.createAnalyser();
    analyser.fftSize = 512;
    source.connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    let shown = 0;
    let frame = 0;
    const draw = () => {
      analyser.getFloatTimeDomainData(samples);
      shown = Math.max(level(samples), shown * 0.9);
      bar.current?.style.setProperty("transform", `scaleX(${shown.toFixed(3)})`);
      frame = requestAnimationFrame(draw);
    };
    draw();
    return () => {
      cancelAnimationFrame(frame);
      void context.close();
    };
  }, [props.track]);
  return (
    <div class="meter" role="img" aria-label="Level of your microphone">
      <div class="meter-bar" ref={bar} />
    </div>
  );
}

/** Loudness from 0 to 1 on a scale of decibels: -60 dB and below is nothing. */
export function level(samples: Float32Array): number {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  const decibels = 10 * Math.log10(sum / samples.length + 1e-12);
  return Math.min(1, Math.max(0, (decibels + 60) / 60));
}
