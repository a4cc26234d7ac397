// The sentences about captions and transcripts, and languages by their names.

import type { CaptionsTrouble, CaptionsView, SettingView } from "@conclave/sdk";

export const NONE = "";
export const ORIGINAL = "original";

/** A language by its English name; by its code where it has none. */
export function languageName(code: string): string {
  try {
    return new Intl.DisplayNames(["en"], { type: "language", fallback: "code" }).of(code) ?? code;
  } catch {
    return code;
  }
}

/** What can be chosen: nothing, what was spoken, each language offered, and the chosen one though it is not offered any more. */
export function languageOptions(captions: CaptionsView, chosen: string | null): { value: string; label: string }[] {
  const offered = captions.languages.map((code) => ({ value: code, label: languageName(code) })).sort((a, b) => a.label.localeCompare(b.label));
  const missing = chosen !== null && chosen !== ORIGINAL && !captions.languages.includes(chosen);
  return [
    { value: NONE, label: "None" },
    { value: ORIGINAL, label: "As it is spoken" },
    ...offered,
    ...(missing ? [{ value: chosen, label: `${languageName(chosen)} (not to be had now)` }] : []),
  ];
}

export function roughWords(engine: string): string {
  return engine === "" ? "Rough machine translation" : `Rough machine translation by ${engine}`;
}

/** Under nobody's name: the roster never had one for who spoke. */
export const SOMEONE = "Someone";

export const NOT_CAPTIONED = "[not captioned]";

/** The lasting signs, with what they mean. */
export function runningSign(captions: CaptionsView): { words: string; meaning: string } | null {
  if (captions.running) return { words: "Captions are running", meaning: "Captions are running: what is said here is turned into text." };
  if (captions.state === "on" || captions.state === "delayed" || captions.state === "limited") return { words: "Captions are on", meaning: "Captions are on: what is said here will be turned into text." };
  return null;
}

export const KEPT_SIGN = { words: "A transcript is kept", meaning: "A transcript is kept: what is said here is written down, and hosts can read it later." };

/** What is said to whoever is in a room with captions: also where their words go, if they go anywhere. */
export function captionsSaid(captions: CaptionsView): string {
  const outside = captions.outside ? ". The text is sent to a service that is not the operator’s own, to be translated" : "";
  return `Captions are on in this room: what you say is turned into text, on the operator’s own machines${outside}. You can refuse.`;
}

export const JOIN_TRANSCRIPT = "A transcript is kept in this room: what is said is written down, and hosts can read it later.";

/** A change of one of the two switches, in the words of what it does to the people here; null for any other setting. */
export function switchSaid(setting: SettingView, by: string): string | null {
  switch (`${setting.key}.${setting.value}`) {
    case "captions.on":
      return `${by} turned captions on: what you say is turned into text, on the operator’s own machines. You can refuse.`;
    case "captions.off":
      return `${by} turned captions off. Nobody’s speech is turned into text any more.`;
    case "transcript.on":
      return `${by} turned the transcript on: from now on what is said is written down, and hosts can read it later.`;
    case "transcript.off":
      return `${by} turned the transcript off. Nothing more is written down.`;
    default:
      return null;
  }
}

/** Why nothing comes, or comes late; null when all is well. What an operator can do is said to those who are told the reason. */
export function standingWords(captions: CaptionsView): { title: string; text: string; steps: readonly Step[] } | null {
  switch (captions.state) {
    case "off":
      return { title: "Captions are off in this room", text: "A host can turn them on. Then everyone is told, and chooses for themselves what to read.", steps: [] };
    case "unavailable":
      return { title: "There are no captions just now", text: unavailable(captions.trouble), steps: captions.trouble === undefined ? [] : STEPS[captions.trouble] };
    case "delayed":
      return { title: "Captions come late", text: "The server’s machine is busy. What is said is not lost; it comes in whole sentences and later than usual.", steps: [] };
    case "limited":
      return { title: "Not everyone is captioned", text: unavailable(captions.trouble, "limited"), steps: captions.trouble === undefined ? [] : STEPS[captions.trouble] };
    case "on":
      return null;
  }
}

/** A sentence with what is to be typed, if anything is. */
export interface Step {
  text: string;
  code?: string;
}

function unavailable(trouble: CaptionsTrouble | undefined, state: CaptionsView["state"] = "unavailable"): string {
  switch (trouble) {
    case "no_model":
      return "The server has no speech model. Whoever runs the server can add one:";
    case "no_worker":
      return "The server does not find the program that makes captions. Whoever runs the server can put that right:";
    case "failed":
      return "The program that makes captions ended again and again. It is started anew by itself; whoever runs the server can find out why:";
    case "full":
      return "More microphones are on than the server can listen to. Mute those who do not speak; whoever runs the server can give it more:";
    case "left_out":
      return "The program that makes captions ended again and again while somebody spoke. Nobody’s speech is lost to those who hear it, but for half an hour this person’s is not turned into text.";
    case undefined:
      if (state === "limited") return "Somebody who speaks is not captioned just now. The hosts see why.";
      return "They are turned on, but the server cannot make any. The hosts see why.";
  }
}

const STEPS: Readonly<Record<CaptionsTrouble, readonly Step[]>> = {
  no_model: [
    { text: "See which models there are, with their size and languages:", code: "conclave captions models" },
    { text: "Fetch one, or add a file that was brought along:", code: "conclave captions fetch NAME\nconclave captions add FILE" },
    { text: "Give its file in the settings file and start the server again:", code: "[captions]\nmodel = \"/path/to/the/model.bin\"" },
  ],
  no_worker: [
    { text: "Put the program conclave-captioner beside the server’s own program, or name its place in the settings file:", code: "[captions]\nworker = \"/path/to/conclave-captioner\"" },
    { text: "Start the server again." },
  ],
  full: [{ text: "Raise the number of recognisers in the settings file, and start the server again:", code: "[captions]\nworkers = 2" }],
  left_out: [{ text: "Read the server’s log: it says how the program ended." }],
  failed: [
    { text: "Read the server’s log: it says what the program said last." },
    { text: "See whether the model is whole and fits the memory of the machine:", code: "conclave captions models" },
  ],
};

/** For a screen reader, and for the title of a group of lines. */
export function transcriptTitle(started: number): string {
  return new Date(started).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

export const FORMATS = [
  { format: "vtt", label: "WebVTT", about: "subtitles for players" },
  { format: "srt", label: "SubRip", about: "subtitles for players" },
  { format: "txt", label: "Text", about: "to read" },
  { format: "json", label: "JSON", about: "for programs" },
] as const;
