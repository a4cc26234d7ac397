// The lasting signs: captions are running, a transcript is kept. They stand as long as it is so, for everyone, at every width.

import type { RoomView } from "@conclave/sdk";
import type { JSX } from "preact";
import type { Meeting } from "../meeting/model";
import { Page, Captions as Sign } from "../ui/icons";
import { KEPT_SIGN, runningSign } from "../words/captions";

export function CaptionSigns(props: { meeting: Meeting; room: RoomView }): JSX.Element | null {
  const { captions } = props.room;
  const running = runningSign(captions);
  if (running === null && !captions.transcript) return null;
  const open = () => props.meeting.openCaptions("live");
  return (
    <span class="caption-signs">
      {running !== null && (
        <button type="button" class={captions.running ? "lock-chip lock-chip-locked caption-sign" : "lock-chip caption-sign"} aria-label={`${running.meaning} Open captions`} onClick={open}>
          <Sign size={18} />
          <span>{running.words}</span>
        </button>
      )}
      {captions.transcript && (
        <button type="button" class="lock-chip lock-chip-locked caption-sign" aria-label={`${KEPT_SIGN.meaning} Open captions`} onClick={open}>
          <Page size={18} />
          <span>{KEPT_SIGN.words}</span>
        </button>
      )}
    </span>
  );
}
