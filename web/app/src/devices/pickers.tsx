// Choosing among the microphones and cameras that the browser names.

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { Choice } from "../ui/field";
import { chosenCamera, chosenMicrophone, listDevices } from "./open";

export interface PickersProps {
  /** Raised when permission was given, so that the names are read again. */
  version: number;
  onMicrophone?: () => void;
  onCamera?: () => void;
}

export function DevicePickers(props: PickersProps): JSX.Element {
  const found = useSignal<Awaited<ReturnType<typeof listDevices>> | null>(null);
  useEffect(() => {
    const read = () => void listDevices().then((list) => (found.value = list), () => undefined);
    read();
    navigator.mediaDevices.addEventListener("devicechange", read);
    return () => navigator.mediaDevices.removeEventListener("devicechange", read);
  }, [props.version]);
  const list = found.value;
  if (list === null || (list.microphones.length === 0 && list.cameras.length === 0)) {
    return <p class="hint">Your browser names your devices once you have allowed their use.</p>;
  }
  return (
    <div class="stack">
      {list.microphones.length > 0 && (
        <Choice
          label="Microphone"
          value={chosenMicrophone.value ?? list.microphones[0]?.deviceId ?? ""}
          options={options(list.microphones)}
          onChange={(id) => {
            chosenMicrophone.value = id;
            props.onMicrophone?.();
          }}
        />
      )}
      {list.cameras.length > 0 && (
        <Choice
          label="Camera"
          value={chosenCamera.value ?? list.cameras[0]?.deviceId ?? ""}
          options={options(list.cameras)}
          onChange={(id) => {
            chosenCamera.value = id;
            props.onCamera?.();
          }}
        />
      )}
    </div>
  );
}

function options(devices: readonly MediaDeviceInfo[]): { value: string; label: string }[] {
  return devices.map((device) => ({ value: device.deviceId, label: device.label }));
}
