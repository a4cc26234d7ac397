// A WebVTT file through the browser's own reader, and through the W3C's, which says what is wrong with one.

import type { Page } from "playwright-core";
import webvtt, { type Node } from "webvtt-parser";

/** What the browser makes of one cue. */
export interface ShownCue {
  id: string;
  /** Seconds. */
  from: number;
  to: number;
  /** Of the voice that is named; empty without one. */
  voice: string;
  /** What is shown. */
  text: string;
  /** Every element of it: the voice is one, and there are no others. */
  tags: string[];
}

/** Fails when the browser takes the file for none. */
export async function readCues(page: Page, file: string): Promise<ShownCue[]> {
  return page.evaluate(async (text) => {
    const video = document.createElement("video");
    const track = document.createElement("track");
    const address = URL.createObjectURL(new Blob([text], { type: "text/vtt" }));
    track.kind = "subtitles";
    track.src = address;
    video.append(track);
    document.body.append(video);
    try {
      await new Promise<void>((loaded, failed) => {
        track.onload = () => loaded();
        track.onerror = () => failed(new Error("the browser cannot read the file"));
        track.track.mode = "hidden";
      });
      return [...(track.track.cues ?? [])].map((one) => {
        const cue = one as VTTCue;
        const shown = cue.getCueAsHTML();
        const elements = [...shown.querySelectorAll("*")];
        return {
          id: cue.id,
          from: Math.round(cue.startTime * 1_000) / 1_000,
          to: Math.round(cue.endTime * 1_000) / 1_000,
          voice: elements[0]?.getAttribute("title") ?? "",
          text: shown.textContent ?? "",
          tags: elements.map((element) => element.tagName),
        };
      });
    } finally {
      URL.revokeObjectURL(address);
      video.remove();
    }
  }, file);
}

/** What the W3C's reader finds wrong with a file, by line; what it makes of its cues: their ids, and the names of all their tags. */
export function checked(file: string): { faults: string[]; cues: { id: string; from: number; to: number; tags: string[] }[] } {
  const read = new webvtt.WebVTTParser().parse(file, "subtitles");
  return {
    faults: read.errors.map((fault) => `${fault.line}: ${fault.message}`),
    cues: read.cues.map((cue) => ({ id: cue.id, from: cue.startTime, to: cue.endTime, tags: tagsOf(cue.tree) })),
  };
}

function tagsOf(node: Node): string[] {
  return (node.children ?? []).flatMap((child) => [...(child.name === undefined ? [] : [child.name]), ...tagsOf(child)]);
}
