// Starts the real server for one story: its own data folder, its own port, and the link for the first owner as it prints it.
// All that depends on the command line of the server stands here.

import { spawn, type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

const STARTED_WITHIN_MS = 60_000;
const STOPPED_WITHIN_MS = 30_000;

export interface Server {
  /** Without a slash at the end. */
  readonly origin: string;
  readonly ownerLink: string;
  /** The value of a counter of the metrics page; 0 while it has not counted. */
  counter(name: string): Promise<number>;
  /** Ends it without a word, as a fault would, and starts it anew where it was. */
  crash(): Promise<void>;
  stop(): Promise<void>;
}

/** `settings` go by the names of the environment. */
export async function startServer(settings: Readonly<Record<string, string>> = {}): Promise<Server> {
  const binary = resolve(process.env["CONCLAVE_BIN"] ?? "../../target/debug/conclave");
  if (!existsSync(binary)) throw new Error(`there is no server at ${binary}; build it, or name it in CONCLAVE_BIN`);
  const data = await mkdtemp(join(tmpdir(), "conclave-e2e-"));
  const start = (port: string) =>
    spawn(binary, ["serve", "--data", data, "--listen", `127.0.0.1:${port}`], {
      env: { ...withoutSettings(process.env), CONCLAVE_METRICS: "127.0.0.1:0", CONCLAVE_LOG__FILTER: "warn", ...settings },
      stdio: ["ignore", "pipe", "inherit"],
    });
  let child = start("0");
  const stop = async () => {
    await ended(child, "SIGTERM");
    await rm(data, { recursive: true, force: true });
  };
  try {
    let said = await announced(child, "owner link");
    const link = new URL(said.last);
    return {
      origin: link.origin,
      ownerLink: link.href,
      counter: (name) => counter(said.metrics, name),
      crash: async () => {
        await ended(child, "SIGKILL");
        child = start(link.port);
        said = await announced(child, "listening");
      },
      stop,
    };
  } catch (failure) {
    await stop();
    throw failure;
  }
}

/** What is set for the tests is no setting of the server, which refuses what it does not know. */
function withoutSettings(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith("CONCLAVE_")));
}

/** Where the server says that it is, until the line that begins with `until`; the owner's link comes last, the first time. */
function announced(child: ChildProcess, until: string): Promise<{ readonly metrics: string; readonly last: string }> {
  return new Promise((found, failed) => {
    let metrics = "";
    const timer = setTimeout(() => failed(new Error(`the server printed no line “${until}”`)), STARTED_WITHIN_MS);
    child.once("error", failed);
    child.once("exit", (code) => failed(new Error(`the server ended with ${code} before it was ready`)));
    if (child.stdout === null) return;
    createInterface({ input: child.stdout }).on("line", (line) => {
      metrics = /^metrics: (\S+)$/u.exec(line)?.[1] ?? metrics;
      if (!line.startsWith(`${until}: `)) return;
      clearTimeout(timer);
      found({ metrics, last: line.slice(until.length + 2) });
    });
  });
}

async function counter(page: string, name: string): Promise<number> {
  const text = await (await fetch(page)).text();
  const line = text.split("\n").find((row) => row.startsWith(`${name} `));
  return line === undefined ? 0 : Number(line.split(" ")[1]);
}

async function ended(child: ChildProcess, by: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise<void>((done) => child.once("exit", () => done()));
  child.kill(by);
  const timer = setTimeout(() => child.kill("SIGKILL"), STOPPED_WITHIN_MS);
  await exit;
  clearTimeout(timer);
}
