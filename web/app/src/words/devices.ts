// What to do when a device does not open.

import type { DeviceKind, DeviceTrouble } from "../devices/open";

export interface Help {
  title: string;
  steps: readonly string[];
}

const NAME: Readonly<Record<DeviceKind, string>> = { microphone: "microphone", camera: "camera", screen: "screen" };

export function deviceHelp(trouble: DeviceTrouble): Help {
  const name = NAME[trouble.kind];
  switch (trouble.cause) {
    case "blocked":
      return {
        title: `Your ${name} is blocked`,
        steps: [
          `Your browser does not let this page use the ${name}.`,
          "Open the page’s permissions: the small sign to the left of the address.",
          `Allow the ${name}, then press the button again.`,
          "If it stays blocked, look at the privacy settings of your computer or phone.",
        ],
      };
    case "missing":
      return {
        title: `No ${name} found`,
        steps: [`Connect a ${name}, or choose another one under Devices, and try again.`, "You can stay in the meeting without it."],
      };
    case "busy":
      return {
        title: `Your ${name} is in use`,
        steps: [`Another program holds the ${name}. Close it there, then try again.`],
      };
    default:
      return { title: `Your ${name} did not start`, steps: ["Try again. If it goes on, reload the page: you come straight back into the room."] };
  }
}
