// The look in the mirror before a meeting: own camera and microphone, opened by the own hand and sent nowhere.

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { Button } from "../ui/button";
import { CameraOff } from "../ui/icons";
import { deviceHelp } from "../words/devices";
import { Meter } from "./meter";
import { DeviceTrouble, openCamera, openMicrophone } from "./open";
import { DevicePickers } from "./pickers";
import { Picture } from "./picture";

export function Preview(props: { pickers?: boolean }): JSX.Element {
  const camera = useSignal<MediaStreamTrack | null>(null);
  const microphone = useSignal<MediaStreamTrack | null>(null);
  const trouble = useSignal<DeviceTrouble | null>(null);
  const version = useSignal(0);
  // What opens late for an older wish must not leave a light on: another device was chosen, or it was stopped, or the page left.
  const wishes = useRef({ camera: 0, microphone: 0 });

  const closeCamera = () => {
    wishes.current.camera += 1;
    camera.value?.stop();
    camera.value = null;
  };
  const closeMicrophone = () => {
    wishes.current.microphone += 1;
    microphone.value?.stop();
    microphone.value = null;
  };
  const opening = async (kind: "camera" | "microphone", open: () => Promise<MediaStreamTrack>, keep: (track: MediaStreamTrack) => void) => {
    const wish = (wishes.current[kind] += 1);
    trouble.value = null;
    try {
      const track = await open();
      if (wish === wishes.current[kind]) keep(track);
      else track.stop();
      version.value += 1;
    } catch (failure) {
      if (failure instanceof DeviceTrouble && wish === wishes.current[kind]) trouble.value = failure;
    }
  };
  const startCamera = () =>
    opening("camera", openCamera, (track) => {
      closeCamera();
      camera.value = track;
    });
  const startMicrophone = () =>
    opening("microphone", openMicrophone, (track) => {
      closeMicrophone();
      microphone.value = track;
    });
  useEffect(
    () => () => {
      closeCamera();
      closeMicrophone();
    },
    [],
  );
  const help = trouble.value === null || trouble.value.cause === "dismissed" ? null : deviceHelp(trouble.value);
  return (
    <section class="preview" aria-label="Check of camera and microphone">
      <div class="preview-picture">
        {camera.value === null ? (
          <div class="preview-empty">
            <CameraOff size={34} />
            <p>Your camera is off</p>
          </div>
        ) : (
          <Picture track={camera.value} mirrored label="Your camera" />
        )}
      </div>
      {microphone.value !== null && <Meter track={microphone.value} />}
      <div class="preview-actions">
        <Button pressed={camera.value !== null} onPress={camera.value === null ? startCamera : closeCamera}>
          {camera.value === null ? "Check camera" : "Stop camera"}
        </Button>
        <Button pressed={microphone.value !== null} onPress={microphone.value === null ? startMicrophone : closeMicrophone}>
          {microphone.value === null ? "Check microphone" : "Stop microphone"}
        </Button>
      </div>
      {help !== null && (
        <div class="alert" role="alert">
          <p>
            <strong>{help.title}</strong>
          </p>
          {help.steps.map((step) => (
            <p key={step}>{step}</p>
          ))}
        </div>
      )}
      {props.pickers === true && (
        <DevicePickers
          version={version.value}
          onCamera={() => {
            if (camera.value !== null) void startCamera();
          }}
          onMicrophone={() => {
            if (microphone.value !== null) void startMicrophone();
          }}
        />
      )}
      <p class="hint">Only you see and hear this. Nothing is sent.</p>
    </section>
  );
}
