// The sizes in which a camera is sent, the codecs of an offer, and what is asked of Opus.

import { expect, test } from "vitest";
import { picturesOf, soundOf, type CodecLine } from "../src/media/codecs";
import { encodingsOf, sizesOf } from "../src/media/encodings";
import { tuneOpus } from "../src/media/tuning";

const factors = (height: number, most: 180 | 360 | 720 | 1080 | null) => sizesOf(height, most, 3).map((size) => (size.active ? size.scaleResolutionDownBy : null));

test("the camera is offered in three sizes with the smallest first, layers in one stream in one", () => {
  expect(encodingsOf("camera", "vp8").map((one) => one.rid)).toEqual(["q", "h", "f"]);
  expect(encodingsOf("camera", "h264").map((one) => one.scaleResolutionDownBy)).toEqual([4, 2, 1]);
  expect(encodingsOf("camera", "vp9")).toMatchObject([{ scalabilityMode: "L3T3_KEY" }]);
  expect(encodingsOf("screen", "vp8").length).toBe(1);
});

test("a large picture goes out in three sizes, a small one in fewer", () => {
  expect(factors(720, null)).toEqual([4, 2, 1]);
  expect(factors(1080, null)).toEqual([4, 2, 1]);
  expect(factors(480, null)).toEqual([2, 1, null]);
  expect(factors(360, null)).toEqual([2, 1, null]);
  expect(factors(180, null)).toEqual([1, null, null]);
});

test("no more is sent than the person wants, and never more than the camera gives", () => {
  expect(factors(720, 360)).toEqual([4, 2, null]);
  expect(factors(720, 180)).toEqual([4, null, null]);
  expect(factors(360, 1080)).toEqual([2, 1, null]);
  expect(sizesOf(720, 180, 1)).toMatchObject([{ active: true, scaleResolutionDownBy: 4 }]);
});

test("a larger picture may use more bits", () => {
  const rates = sizesOf(720, null, 3).map((size) => size.maxBitrate);
  expect(rates).toEqual(rates.toSorted((a, b) => a - b));
  expect(new Set(rates).size).toBe(3);
});

const codec = (mimeType: string, sdpFmtpLine = ""): CodecLine => ({ mimeType, sdpFmtpLine });

test("one variant of each picture codec is offered, the wanted one first, with one repair format", () => {
  const known = [
    codec("video/VP8"),
    codec("video/rtx"),
    codec("video/VP9", "profile-id=2"),
    codec("video/VP9", "profile-id=0"),
    codec("video/H264", "level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f"),
    codec("video/H264", "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=64001f"),
    codec("video/H264", "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"),
    codec("video/AV1", "level-idx=5;profile=1;tier=0"),
    codec("video/AV1", "level-idx=5;profile=0;tier=0"),
    codec("video/ulpfec"),
  ];
  const types = (first?: string) => picturesOf(known, first).map((one) => one.mimeType);
  expect(types()).toEqual(["video/VP8", "video/VP9", "video/H264", "video/AV1", "video/rtx"]);
  expect(types("av1")[0]).toBe("video/AV1");
  expect(picturesOf(known).map((one) => one.sdpFmtpLine)).toEqual(["", "profile-id=0", "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f", "level-idx=5;profile=0;tier=0", ""]);
  expect(picturesOf([codec("video/VP8")]).length).toBe(1);
});

test("sound is Opus first, or what is wanted first", () => {
  const known = [codec("audio/PCMU"), codec("audio/opus", "minptime=10"), codec("audio/red", "111/111"), codec("audio/telephone-event")];
  expect(soundOf(known).map((one) => one.mimeType)).toEqual(["audio/opus", "audio/red", "audio/PCMU"]);
  expect(soundOf(known, "red")[0]?.mimeType).toBe("audio/red");
});

test("sound is bound by what is said of Opus alone: a codec with one rate would not be sent under a bound", () => {
  for (const source of ["microphone", "screen_audio"] as const) expect(encodingsOf(source, "vp8")).toEqual([{}]);
});

test("a voice repairs itself and rests in silence, shared sound does not rest; nothing else is touched", () => {
  const section = (mid: string, fmtp: string) => `m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:${mid}\r\na=rtpmap:111 opus/48000/2\r\n${fmtp}`;
  const answer = `v=0\r\n${section("0", "a=fmtp:111 minptime=10;usedtx=0\r\n")}${section("3", "")}${section("4", "a=fmtp:111 minptime=10\r\n")}`;
  const tuned = tuneOpus(answer, new Map([["0", "microphone"], ["3", "screen_audio"]]));
  expect(tuned).toBe(
    `v=0\r\n${section("0", "a=fmtp:111 minptime=10;useinbandfec=1;usedtx=1;maxaveragebitrate=40000\r\n")}${section("3", "a=fmtp:111 useinbandfec=1;usedtx=0;maxaveragebitrate=96000\r\n")}${section("4", "a=fmtp:111 minptime=10\r\n")}`,
  );
});
