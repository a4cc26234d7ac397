// What of Opus is said in the answer and nowhere else: repair by the next packet, silence that costs nothing, and the rate. Pure text.

import type { Source } from "../generated/Source";

/** What a voice and what a shared sound want of Opus: music is not cut where it is quiet. */
const WISHES: Readonly<Partial<Record<Source, Readonly<Record<string, string>>>>> = {
  microphone: { useinbandfec: "1", usedtx: "1", maxaveragebitrate: "40000" },
  screen_audio: { useinbandfec: "1", usedtx: "0", maxaveragebitrate: "96000" },
};

/** Sets the parameters of Opus in the answer's sections of own sound; `sources` says which section is which. */
export function tuneOpus(answer: string, sources: ReadonlyMap<string, Source>): string {
  return answer
    .split(/^(?=m=)/mu)
    .map((section) => {
      const mid = /^a=mid:(\S+)/mu.exec(section)?.[1];
      const source = mid === undefined ? undefined : sources.get(mid);
      const wishes = source === undefined ? undefined : WISHES[source];
      const type = /^a=rtpmap:(\d+) opus\//imu.exec(section)?.[1];
      return wishes === undefined || type === undefined ? section : withParameters(section, type, wishes);
    })
    .join("");
}

function withParameters(section: string, type: string, wishes: Readonly<Record<string, string>>): string {
  const line = new RegExp(`^a=fmtp:${type} ([^\\r\\n]*)`, "mu");
  const said = line.exec(section)?.[1];
  const kept = (said ?? "").split(";").filter((one) => one !== "" && !((one.split("=")[0] ?? "").trim() in wishes));
  const whole = `a=fmtp:${type} ${[...kept, ...Object.entries(wishes).map(([name, value]) => `${name}=${value}`)].join(";")}`;
  if (said !== undefined) return section.replace(line, whole);
  return section.replace(new RegExp(`^a=rtpmap:${type} [^\\r\\n]*`, "mu"), (rtpmap) => `${rtpmap}\r\n${whole}`);
}
