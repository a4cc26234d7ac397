// How large pictures are sent and received on this device, and in which format.

import type { JSX } from "preact";
import { mediaPreferences, receiveHeight, sendHeight, setReceiveHeight, setSendHeight, setVideoCodec, videoCodec } from "../devices/pictures";
import { Choice } from "../ui/field";
import type { Meeting } from "./model";

const HEIGHTS = [
  { value: "180", label: "Small (180 lines)" },
  { value: "360", label: "Medium (360 lines)" },
  { value: "720", label: "Large (720 lines)" },
  { value: "1080", label: "Largest (1080 lines)" },
];

const CODECS = [
  { value: "", label: "Automatic" },
  { value: "vp8", label: "VP8" },
  { value: "h264", label: "H.264" },
  { value: "vp9", label: "VP9" },
  { value: "av1", label: "AV1" },
];

export function PictureChoices(props: { meeting: Meeting }): JSX.Element {
  const { client } = props.meeting;
  return (
    <fieldset class="choices">
      <legend>Pictures</legend>
      <Choice
        label="Size to send"
        value={String(sendHeight.value ?? "")}
        options={[{ value: "", label: "Automatic" }, ...HEIGHTS]}
        onChange={(wanted) => {
          setSendHeight(wanted);
          client.prefer(mediaPreferences.value);
          // The camera gives another size only when it is opened anew.
          void props.meeting.swap("camera");
        }}
      />
      <Choice
        label="Largest size to receive"
        value={String(receiveHeight.value ?? "")}
        options={[{ value: "", label: "As large as it is shown" }, ...HEIGHTS]}
        onChange={(wanted) => {
          setReceiveHeight(wanted);
          client.prefer(mediaPreferences.value);
        }}
      />
      <Choice label="Format to send, from the next meeting on" value={videoCodec.value ?? ""} options={CODECS} onChange={setVideoCodec} />
    </fieldset>
  );
}
