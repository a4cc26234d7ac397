// A real mail server for one story, which prints what it takes: tests/common/sink.py.

import { spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

const WAIT_MS = 60_000;

export interface Mail {
  readonly to: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
}

export class Sink {
  readonly #child: ChildProcess;
  readonly #folder: string;
  readonly #port: number;
  readonly #taken: Mail[] = [];

  private constructor(child: ChildProcess, folder: string, port: number) {
    this.#child = child;
    this.#folder = folder;
    this.#port = port;
  }

  static async open(): Promise<Sink> {
    const folder = await mkdtemp(join(tmpdir(), "conclave-sink-"));
    const child = spawn("/usr/bin/python3", [resolve("../../tests/common/sink.py"), "starttls", folder], { stdio: ["pipe", "pipe", "inherit"] });
    if (child.stdout === null) throw new Error("the mail server says nothing");
    const lines = createInterface({ input: child.stdout });
    const first = await new Promise<string>((said, failed) => {
      lines.once("line", said);
      child.once("exit", () => failed(new Error("the mail server ended")));
    });
    const sink = new Sink(child, folder, (JSON.parse(first) as { port: number }).port);
    lines.on("line", (line) => sink.#taken.push(JSON.parse(line) as Mail));
    return sink;
  }

  /** By the names of the server's environment. */
  get settings(): Record<string, string> {
    return {
      CONCLAVE_MAIL__ADDRESS: `localhost:${this.#port}`,
      CONCLAVE_MAIL__AUTHORITY: join(this.#folder, "authority.pem"),
      CONCLAVE_MAIL__FROM: "Conclave <meet@example.org>",
    };
  }

  /** The next mail with this subject. */
  async next(subject: string): Promise<Mail> {
    const end = Date.now() + WAIT_MS;
    for (;;) {
      const at = this.#taken.findIndex((mail) => mail.headers["subject"] === subject);
      const [mail] = at < 0 ? [] : this.#taken.splice(at, 1);
      if (mail !== undefined) return mail;
      if (Date.now() > end) throw new Error(`no mail "${subject}"`);
      await new Promise((resume) => setTimeout(resume, 100));
    }
  }

  async close(): Promise<void> {
    this.#child.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

export function linkIn(mail: Mail): string {
  return /https:\/\/\S+/u.exec(mail.text)?.[0] ?? "";
}
