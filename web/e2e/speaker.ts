// A sound device that nobody hears. Firefox gives out no sound without one, and what is not given out is in step with nothing.

import { spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "./browser.js";

export class Speaker {
  readonly #child: ChildProcess;
  readonly #folder: string;

  private constructor(child: ChildProcess, folder: string) {
    this.#child = child;
    this.#folder = folder;
  }

  static async open(): Promise<Speaker> {
    const folder = await mkdtemp(join(tmpdir(), "conclave-speaker-"));
    const socket = join(folder, "native");
    const modules = ["module-null-sink rate=48000", `module-native-protocol-unix auth-anonymous=1 socket=${socket}`].flatMap((one) => ["-L", one]);
    const child = spawn("pulseaudio", ["-n", "--daemonize=no", "--exit-idle-time=-1", "--disable-shm=yes", "--log-level=0", ...modules], {
      stdio: "ignore",
      env: { ...process.env, HOME: folder, XDG_RUNTIME_DIR: folder },
    });
    let failed: Error | undefined;
    child.once("error", (error) => (failed = error));
    const speaker = new Speaker(child, folder);
    try {
      await until("the sound device", async () => failed ?? stat(socket).then(() => "there", () => undefined), (found) => found !== undefined);
      if (failed !== undefined) throw failed;
    } catch (failure) {
      await speaker.close();
      throw failure;
    }
    return speaker;
  }

  /** What a program finds it by. */
  get environment(): Record<string, string> {
    return { PULSE_SERVER: `unix:${join(this.#folder, "native")}` };
  }

  async close(): Promise<void> {
    this.#child.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
