// Which codecs the offer names, and in which order. What is sent is the first that the server takes; what is received may be any of
// those that the browser decodes, so that everyone may send what suits them. One variant of each keeps an offer with many slots small.

import type { VideoCodec } from "./encodings";

type Kind = "audio" | "video";

/** Sound to send and to receive, in this order. RED repeats what was just said, and stands behind Opus unless it is asked for. */
const AUDIO: readonly string[] = ["audio/opus", "audio/red", "audio/g722", "audio/pcmu", "audio/pcma"];
const VIDEO: readonly VideoCodec[] = ["vp8", "vp9", "h264", "av1"];
const REPAIR = "video/rtx";

/** The parts of a codec that the browser tells. */
export interface CodecLine {
  readonly mimeType: string;
  readonly sdpFmtpLine?: string;
}

export function preferCodecs(section: RTCRtpTransceiver, kind: Kind, first?: string): void {
  const known = RTCRtpReceiver.getCapabilities(kind)?.codecs ?? [];
  const wanted = kind === "audio" ? soundOf(known, first) : picturesOf(known, first);
  if (wanted.length === 0) return;
  try {
    section.setCodecPreferences(wanted);
  } catch {
    // A browser that takes no preferences offers what it has.
  }
}

/** One variant of each codec of sound, the wanted one first. */
export function soundOf<Codec extends CodecLine>(known: readonly Codec[], first = "opus"): Codec[] {
  const order = [`audio/${first}`, ...AUDIO.filter((type) => type !== `audio/${first}`)];
  // RED around Opus has two of its payloads in the parameters; around anything else it is of no use here.
  return order.flatMap((type) => known.filter((codec) => codec.mimeType.toLowerCase() === type && (type !== "audio/red" || codec.sdpFmtpLine !== "")).slice(0, 1));
}

/** One variant of each codec of pictures, the wanted one first, and repairs for all of them. */
export function picturesOf<Codec extends CodecLine>(known: readonly Codec[], first: string = "vp8"): Codec[] {
  const order = [first, ...VIDEO.filter((codec) => codec !== first)];
  const variants = order.flatMap((codec) => best(known.filter((one) => one.mimeType.toLowerCase() === `video/${codec}`)));
  return [...variants, ...known.filter((codec) => codec.mimeType.toLowerCase() === REPAIR).slice(0, 1)];
}

/** The variant that others decode too: the plain profile of VP9 and AV1, constrained baseline in whole frames for H264. */
function best<Codec extends CodecLine>(variants: readonly Codec[]): Codec[] {
  const score = ({ mimeType, sdpFmtpLine = "" }: CodecLine): number => {
    if (mimeType.toLowerCase() === "video/h264") {
      if (!/packetization-mode=1/u.test(sdpFmtpLine)) return -1;
      return /profile-level-id=42e0/iu.test(sdpFmtpLine) ? 2 : /profile-level-id=4200/iu.test(sdpFmtpLine) ? 1 : 0;
    }
    return /profile(?:-id)?=[1-9]/u.test(sdpFmtpLine) ? -1 : 1;
  };
  const usable = variants.filter((one) => score(one) >= 0);
  return usable.toSorted((a, b) => score(b) - score(a)).slice(0, 1);
}
