// One video track on the page.

import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";

export interface PictureProps {
  track: MediaStreamTrack;
  label: string;
  mirrored?: boolean;
  /** Show all of it instead of filling the frame. */
  whole?: boolean;
}

export function Picture(props: PictureProps): JSX.Element {
  const video = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    const element = video.current;
    if (element === null) return undefined;
    element.srcObject = new MediaStream([props.track]);
    // A muted video may always play; a refusal only means that the element is gone again.
    element.play().catch(() => undefined);
    return () => {
      element.srcObject = null;
    };
  }, [props.track]);
  const classes = ["picture"];
  if (props.mirrored === true) classes.push("picture-mirrored");
  if (props.whole === true) classes.push("picture-whole");
  return <video ref={video} class={classes.join(" ")} aria-label={props.label} autoplay muted playsInline disablePictureInPicture />;
}
