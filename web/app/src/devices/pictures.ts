// How large pictures are sent and received, and in which format: chosen by the person, kept on this device.

import type { Height, MediaPreferences, VideoCodec } from "@conclave/sdk";
import { computed, signal } from "@preact/signals";
import { stored } from "../kept";

const SEND = "conclave.pictures.send";
const RECEIVE = "conclave.pictures.receive";
const CODEC = "conclave.pictures.codec";

const HEIGHTS: readonly Height[] = [180, 360, 720, 1080];
const CODECS: readonly VideoCodec[] = ["vp8", "h264", "vp9", "av1"];

export const sendHeight = signal<Height | null>(heightOf(stored.getItem(SEND)));
export const receiveHeight = signal<Height | null>(heightOf(stored.getItem(RECEIVE)));
export const videoCodec = signal<VideoCodec | null>(codecOf(stored.getItem(CODEC)));

export const mediaPreferences = computed<MediaPreferences>(() => ({ send: sendHeight.value, receive: receiveHeight.value, codec: videoCodec.value }));

export function setSendHeight(wanted: string): void {
  sendHeight.value = heightOf(wanted);
  keep(SEND, sendHeight.value);
}

export function setReceiveHeight(wanted: string): void {
  receiveHeight.value = heightOf(wanted);
  keep(RECEIVE, receiveHeight.value);
}

export function setVideoCodec(wanted: string): void {
  videoCodec.value = codecOf(wanted);
  keep(CODEC, videoCodec.value);
}

function heightOf(text: string | null): Height | null {
  return HEIGHTS.find((height) => String(height) === text) ?? null;
}

function codecOf(text: string | null): VideoCodec | null {
  return CODECS.find((codec) => codec === text) ?? null;
}

function keep(key: string, value: Height | VideoCodec | null): void {
  if (value === null) stored.removeItem(key);
  else stored.setItem(key, String(value));
}
