// Opening a microphone, a camera or the screen, and saying in plain words why it did not work. It opens only when the
// person asks for it.

import { signal } from "@preact/signals";
import { sendHeight } from "./pictures";

/** What most cameras and lines can do; smaller ones give less. */
const USUAL_HEIGHT = 720;

export type DeviceKind = "microphone" | "camera" | "screen";

export const chosenMicrophone = signal<string | null>(null);
export const chosenCamera = signal<string | null>(null);

/** Why a device did not open. `dismissed` needs no words: the person closed the browser's own window. */
export class DeviceTrouble extends Error {
  readonly kind: DeviceKind;
  override readonly cause: "blocked" | "missing" | "busy" | "dismissed" | "other";

  constructor(kind: DeviceKind, cause: DeviceTrouble["cause"]) {
    super(`${kind}: ${cause}`);
    this.kind = kind;
    this.cause = cause;
  }
}

export async function openMicrophone(): Promise<MediaStreamTrack> {
  const audio: MediaTrackConstraints = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
  if (chosenMicrophone.value !== null) audio.deviceId = { ideal: chosenMicrophone.value };
  const stream = await attempt("microphone", () => devices().getUserMedia({ audio }));
  return first(stream.getAudioTracks(), "microphone");
}

export async function openCamera(): Promise<MediaStreamTrack> {
  const height = sendHeight.value ?? USUAL_HEIGHT;
  const video: MediaTrackConstraints = { width: { ideal: Math.round((height * 16) / 9) }, height: { ideal: height }, frameRate: { ideal: 24, max: 30 } };
  if (chosenCamera.value !== null) video.deviceId = { ideal: chosenCamera.value };
  const stream = await attempt("camera", () => devices().getUserMedia({ video }));
  return first(stream.getVideoTracks(), "camera");
}

/** The picture of the screen, and its sound if the person chose to share it too. */
export async function openScreen(): Promise<{ picture: MediaStreamTrack; sound: MediaStreamTrack | null }> {
  const stream = await attempt("screen", () => devices().getDisplayMedia({ video: { frameRate: { ideal: 10, max: 15 } }, audio: true }));
  return { picture: first(stream.getVideoTracks(), "screen"), sound: stream.getAudioTracks()[0] ?? null };
}

export async function listDevices(): Promise<{ microphones: MediaDeviceInfo[]; cameras: MediaDeviceInfo[] }> {
  const all = await devices().enumerateDevices();
  // Without permission a browser gives entries without names, which nobody could choose from.
  const named = all.filter((device) => device.label !== "");
  return {
    microphones: named.filter((device) => device.kind === "audioinput"),
    cameras: named.filter((device) => device.kind === "videoinput"),
  };
}

function devices(): MediaDevices {
  return navigator.mediaDevices;
}

function first(tracks: MediaStreamTrack[], kind: DeviceKind): MediaStreamTrack {
  const track = tracks[0];
  if (track === undefined) throw new DeviceTrouble(kind, "missing");
  return track;
}

async function attempt(kind: DeviceKind, open: () => Promise<MediaStream>): Promise<MediaStream> {
  try {
    return await open();
  } catch (failure) {
    throw new DeviceTrouble(kind, causeOf(kind, failure));
  }
}

function causeOf(kind: DeviceKind, failure: unknown): DeviceTrouble["cause"] {
  switch (failure instanceof DOMException ? failure.name : "") {
    case "NotAllowedError":
      // For the screen this is also what closing the chooser gives.
      return kind === "screen" ? "dismissed" : "blocked";
    case "NotFoundError":
    case "OverconstrainedError":
      return "missing";
    case "NotReadableError":
      return "busy";
    case "AbortError":
      return "dismissed";
    default:
      return "other";
  }
}
