// What a person wants of pictures on this device: how large to send and to receive them, and in which format.

import type { Height, VideoCodec } from "./encodings";

export interface MediaPreferences {
  /** The largest picture to send; null leaves it to the camera and the line. */
  send: Height | null;
  /** The largest picture to receive; null leaves it to the size at which it is shown. */
  receive: Height | null;
  /** Which format to send; null leaves it to the sdk. It holds from the next transport on. */
  codec: VideoCodec | null;
}

export const NO_PREFERENCES: MediaPreferences = { send: null, receive: null, codec: null };

/** What every browser encodes and decodes in several sizes. */
export const USUAL_CODEC: VideoCodec = "vp8";
