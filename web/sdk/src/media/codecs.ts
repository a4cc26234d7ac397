// Which codecs the offer may name: VP8 with its repair format for video, Opus alone for audio. One codec keeps an offer with
// many slots a quarter of the size.

type Kind = "audio" | "video";

const WANTED: Readonly<Record<Kind, readonly string[]>> = {
  audio: ["audio/opus"],
  video: ["video/vp8", "video/rtx"],
};

export function preferCodecs(transceiver: RTCRtpTransceiver, kind: Kind): void {
  const known = RTCRtpReceiver.getCapabilities(kind)?.codecs ?? [];
  const wanted = known.filter((codec) => WANTED[kind].includes(codec.mimeType.toLowerCase()));
  if (wanted.length > 0) transceiver.setCodecPreferences(wanted);
}
