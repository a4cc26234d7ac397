// What the tests use of the W3C's reader of WebVTT, which comes without types.

declare module "webvtt-parser" {
  export interface Node {
    /** Of a tag. */
    name?: string;
    children?: Node[];
  }

  interface Cue {
    id: string;
    startTime: number;
    endTime: number;
    tree: Node;
  }

  class WebVTTParser {
    parse(text: string, kind: "subtitles"): { cues: Cue[]; errors: { message: string; line: number; col?: number }[] };
  }

  const parser: { WebVTTParser: typeof WebVTTParser };
  export default parser;
}
