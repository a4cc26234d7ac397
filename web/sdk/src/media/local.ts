// The own tracks: what is being sent, and its end. Turning a source off stops the track itself, so that the light of the
// camera goes out; nothing here ever turns one on again.

import type { Source } from "../generated/Source";
import { SOURCES } from "./sources";

export type LocalTracks = Readonly<Partial<Record<Source, MediaStreamTrack>>>;

export class Local {
  readonly #tracks = new Map<Source, MediaStreamTrack>();
  readonly #ended: (source: Source) => void;

  /** `ended` is called when the browser or the device ends a track, not when `drop` does. */
  constructor(ended: (source: Source) => void) {
    this.#ended = ended;
  }

  get(source: Source): MediaStreamTrack | undefined {
    return this.#tracks.get(source);
  }

  all(): LocalTracks {
    return Object.fromEntries(this.#tracks);
  }

  put(source: Source, track: MediaStreamTrack): void {
    this.drop(source);
    if (track.kind === "video") track.contentHint = source === "screen" ? "detail" : "motion";
    track.onended = () => {
      if (this.#tracks.get(source) === track) this.#ended(source);
    };
    this.#tracks.set(source, track);
    // No event follows for one that ended before it came here.
    if (track.readyState === "ended") this.#ended(source);
  }

  /** Stops and forgets the track; false when there was none. */
  drop(source: Source): boolean {
    const track = this.#tracks.get(source);
    if (track === undefined) return false;
    this.#tracks.delete(source);
    track.onended = null;
    track.stop();
    return true;
  }

  dropAll(): void {
    for (const source of SOURCES) this.drop(source);
  }
}
