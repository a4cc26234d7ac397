// Own icons as components: 24 units square, drawn with lines in the colour of the text. They are decoration; whatever
// carries one has its own name in words.

import type { ComponentChildren, JSX } from "preact";

interface IconProps {
  size?: number;
}

function Lines({ size = 22, children }: IconProps & { children: ComponentChildren }): JSX.Element {
  return (
    <svg
      class="icon"
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      stroke-width="1.8"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      {children}
    </svg>
  );
}

const SLASH = <path d="M4 3.5 20 20.5" />;

export const Microphone = (p: IconProps) => (
  <Lines {...p}>
    <rect x="9" y="3" width="6" height="11" rx="3" />
    <path d="M5.5 11.5a6.5 6.5 0 0 0 13 0M12 18v3" />
  </Lines>
);

export const MicrophoneOff = (p: IconProps) => (
  <Lines {...p}>
    <path d="M9 8.5V11a3 3 0 0 0 4.8 2.4M15 10V6a3 3 0 0 0-5.7-1.3" />
    <path d="M5.5 11.5a6.5 6.5 0 0 0 10.3 5.3M18.5 11.5c0 1-.2 1.9-.6 2.7M12 18v3" />
    {SLASH}
  </Lines>
);

export const Camera = (p: IconProps) => (
  <Lines {...p}>
    <rect x="3" y="6.5" width="12.5" height="11" rx="2.5" />
    <path d="m15.5 10.8 5.5-3v8.4l-5.5-3" />
  </Lines>
);

export const CameraOff = (p: IconProps) => (
  <Lines {...p}>
    <path d="M6.5 6.5h-1A2.5 2.5 0 0 0 3 9v6a2.5 2.5 0 0 0 2.5 2.5H13a2.5 2.5 0 0 0 2.4-1.9" />
    <path d="M10.5 6.5H13A2.5 2.5 0 0 1 15.5 9v1.8l5.5-3v8.4l-2-1.1" />
    {SLASH}
  </Lines>
);

export const Screen = (p: IconProps) => (
  <Lines {...p}>
    <rect x="3" y="4.5" width="18" height="12" rx="2" />
    <path d="M8.5 20h7M12 13.5v-5.5m-2.6 2.3L12 7.7l2.6 2.6" />
  </Lines>
);

export const Hand = (p: IconProps) => (
  <Lines {...p}>
    <path d="M8 12.5V6a1.5 1.5 0 0 1 3 0v5m0-.5V4.5a1.5 1.5 0 0 1 3 0V11m0-4.5a1.5 1.5 0 0 1 3 0V13m0-3a1.5 1.5 0 0 1 3 .3V14c0 4-2.6 7-6.5 7-3 0-4.7-1.3-6.2-4L5 12.8c-.9-1.6.9-2.8 2-1.6l1 1.3" transform="translate(-.6 0)" />
  </Lines>
);

export const People = (p: IconProps) => (
  <Lines {...p}>
    <circle cx="9" cy="8" r="3.3" />
    <path d="M2.8 19.5c.5-3.5 3-5.5 6.2-5.5s5.7 2 6.2 5.5M15.5 5a3.2 3.2 0 0 1 0 6.2M17.5 14.3c2 .7 3.4 2.5 3.7 5.2" />
  </Lines>
);

export const Key = (p: IconProps) => (
  <Lines {...p}>
    <circle cx="8" cy="12" r="4.5" />
    <path d="M12.5 12H21v3.5M17 12v2.8" />
  </Lines>
);

export const Leave = (p: IconProps) => (
  <Lines {...p}>
    <path d="M13 4H7a2 2 0 0 0-2 2v12a2 2 0 0 0 2 2h6M10.5 12H21m-3.5-3.7L21 12l-3.5 3.7" />
  </Lines>
);

export const Lock = (p: IconProps) => (
  <Lines {...p}>
    <rect x="5" y="10.5" width="14" height="10" rx="2.2" />
    <path d="M8 10.5V8a4 4 0 0 1 8 0v2.5M12 14.7v1.8" />
  </Lines>
);

export const Unlock = (p: IconProps) => (
  <Lines {...p}>
    <rect x="5" y="10.5" width="14" height="10" rx="2.2" />
    <path d="M8 10.5V7.5a4 4 0 0 1 7.7-1.5M12 14.7v1.8" />
  </Lines>
);

export const Copy = (p: IconProps) => (
  <Lines {...p}>
    <rect x="8.5" y="8.5" width="11.5" height="12" rx="2" />
    <path d="M5.5 15.5A1.5 1.5 0 0 1 4 14V5a1.5 1.5 0 0 1 1.5-1.5h8A1.5 1.5 0 0 1 15 5" />
  </Lines>
);

export const Check = (p: IconProps) => (
  <Lines {...p}>
    <path d="m5 12.8 4.5 4.5L19 7" />
  </Lines>
);

export const Cross = (p: IconProps) => (
  <Lines {...p}>
    <path d="m6 6 12 12M18 6 6 18" />
  </Lines>
);

export const Chevron = (p: IconProps) => (
  <Lines {...p}>
    <path d="m6.5 9.5 5.5 5.5 5.5-5.5" />
  </Lines>
);

export const Sliders = (p: IconProps) => (
  <Lines {...p}>
    <path d="M4 7h8.5M17.5 7H20M4 17h2.5M11.5 17H20" />
    <circle cx="15" cy="7" r="2.4" />
    <circle cx="9" cy="17" r="2.4" />
  </Lines>
);

export const Dots = (p: IconProps) => (
  <Lines {...p}>
    <path stroke-width="2.6" d="M5.5 12h.01M12 12h.01M18.5 12h.01" />
  </Lines>
);

export const Warning = (p: IconProps) => (
  <Lines {...p}>
    <path d="M12 4.2 21 19.5H3L12 4.2ZM12 10v4.2M12 16.9v.1" />
  </Lines>
);

export const Speaker = (p: IconProps) => (
  <Lines {...p}>
    <path d="M4 9.5v5h3.5L12 18.5v-13L7.5 9.5H4ZM15.5 9a4.2 4.2 0 0 1 0 6M18 6.5a7.8 7.8 0 0 1 0 11" />
  </Lines>
);

export const Hourglass = (p: IconProps) => (
  <Lines {...p}>
    <path d="M7 3.5h10M7 20.5h10M8 3.5c0 4.5 8 5 8 8.5s-8 4-8 8.5M16 3.5c0 4.5-8 5-8 8.5s8 4 8 8.5" />
  </Lines>
);

export const Star = (p: IconProps) => (
  <Lines {...p}>
    <path d="m12 3.8 2.5 5.2 5.7.8-4.1 4 1 5.7-5.1-2.7-5.1 2.7 1-5.7-4.1-4 5.7-.8L12 3.8Z" />
  </Lines>
);

export const Chat = (p: IconProps) => (
  <Lines {...p}>
    <path d="M5.5 4.5h13a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2h-7L7 20v-3.500H5.5a2 2 0 0 1-2-2v-8a2 2 0 0 1 2-2ZM8 9h8M8 12.3h5" />
  </Lines>
);

export const Grid = (p: IconProps) => (
  <Lines {...p}>
    <rect x="4" y="5" width="7" height="6" rx="1.4" />
    <rect x="13" y="5" width="7" height="6" rx="1.4" />
    <rect x="4" y="13" width="7" height="6" rx="1.4" />
    <rect x="13" y="13" width="7" height="6" rx="1.4" />
  </Lines>
);

export const Large = (p: IconProps) => (
  <Lines {...p}>
    <rect x="4" y="4.5" width="16" height="9.5" rx="1.8" />
    <path d="M5.5 18.5h2M11 18.5h2M16.5 18.5h2" stroke-width="3" />
  </Lines>
);

export const Sun = (p: IconProps) => (
  <Lines {...p}>
    <circle cx="12" cy="12" r="3.8" />
    <path d="M12 3v2.2M12 18.800V21M3 12h2.2M18.8 12H21M5.6 5.6l1.6 1.6M16.8 16.8l1.6 1.6M18.4 5.6l-1.6 1.6M7.2 16.8l-1.6 1.6" />
  </Lines>
);

export const Moon = (p: IconProps) => (
  <Lines {...p}>
    <path d="M19.5 14.2A8 8 0 0 1 9.8 4.5a8 8 0 1 0 9.7 9.700Z" />
  </Lines>
);

export const HalfMoon = (p: IconProps) => (
  <Lines {...p}>
    <circle cx="12" cy="12" r="8" />
    <path d="M12 4v16a8 8 0 0 0 0-16Z" fill="currentColor" stroke="none" />
  </Lines>
);

export const Pause = (p: IconProps) => (
  <Lines {...p}>
    <circle cx="12" cy="12" r="8.5" />
    <path d="M9.8 9v6M14.2 9v6" />
  </Lines>
);

export const Captions = (p: IconProps) => (
  <Lines {...p}>
    <rect x="3" y="5" width="18" height="14" rx="2.5" />
    <path d="M10.2 10.2a2.4 2.4 0 1 0 0 3.6M17.2 10.2a2.4 2.4 0 1 0 0 3.6" />
  </Lines>
);

export const Page = (p: IconProps) => (
  <Lines {...p}>
    <path d="M6 3.5h8.5l4 4v13H6zM9 10.5h6.5M9 14h6.5M9 17.5h4" />
  </Lines>
);

export const Search = (p: IconProps) => (
  <Lines {...p}>
    <circle cx="10.5" cy="10.5" r="6" />
    <path d="m15 15 5 5" />
  </Lines>
);

export const Bin = (p: IconProps) => (
  <Lines {...p}>
    <path d="M4.5 7h15M9.5 7V4.5h5V7M6.5 7l.8 12.5h9.400L17.5 7" />
  </Lines>
);

/** The door with a keyhole: the mark of the house. */
export function Mark({ size = 32 }: IconProps): JSX.Element {
  return (
    <svg class="mark" width={size} height={size} viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <path class="mark-door" d="M16 1C8.8 1 4 6.6 4 13.6V29a2 2 0 0 0 2 2h20a2 2 0 0 0 2-2V13.6C28 6.6 23.2 1 16 1Z" />
      <path class="mark-hole" d="M16 9.5a4.3 4.3 0 0 0-2.2 8L12.5 25h7l-1.3-7.5a4.3 4.3 0 0 0-2.2-8Z" />
    </svg>
  );
}
