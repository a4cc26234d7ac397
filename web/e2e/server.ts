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
  stop(): Promise<void>;
}

/** `settings` go by the names of the environment. */
export async function startServer(settings: Readonly<Record<string, string>> = {}): Promise<Server> {
  const binary = resolve(process.env["CONCLAVE_BIN"] ?? "../../target/debug/conclave");
  if (!existsSync(binary)) throw new Error(`there is no server at ${binary}; build it, or name it in CONCLAVE_BIN`);
  const data = await mkdtemp(join(tmpdir(), "conclave-e2e-"));
  const child = spawn(binary, ["serve", "--data", data, "--listen", "127.0.0.1:0"], {
    env: { ...withoutSettings(process.env), CONCLAVE_METRICS: "127.0.0.1:0", CONCLAVE_LOG__FILTER: "warn", ...settings },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const stop = async () => {
    await ended(child);
    await rm(data, { recursive: true, force: true });
  };
  try {
    const said = await announced(child);
    const link = new URL(said.ownerLink);
    return {
      origin: link.origin,
      ownerLink: link.href,
      counter: (name) => counter(said.metrics, name),
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

/** Where the server says that it is; the owner's link comes last. */
function announced(child: ChildProcess): Promise<{ readonly metrics: string; readonly ownerLink: string }> {
  return new Promise((found, failed) => {
    let metrics = "";
    const timer = setTimeout(() => failed(new Error("the server printed no owner link")), STARTED_WITHIN_MS);
    child.once("error", failed);
    child.once("exit", (code) => failed(new Error(`the server ended with ${code} before it was ready`)));
    if (child.stdout === null) return;
    createInterface({ input: child.stdout }).on("line", (line) => {
      metrics = /^metrics: (\S+)$/u.exec(line)?.[1] ?? metrics;
      const link = /^owner link: (\S+)$/u.exec(line)?.[1];
      if (link === undefined) return;
      clearTimeout(timer);
      found({ metrics, ownerLink: link });
    });
  });
}

async function counter(page: string, name: string): Promise<number> {
  const text = await (await fetch(page)).text();
  const line = text.split("\n").find((row) => row.startsWith(`${name} `));
  return line === undefined ? 0 : Number(line.split(" ")[1]);
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise<void>((done) => child.once("exit", () => done()));
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), STOPPED_WITHIN_MS);
  await exit;
  clearTimeout(timer);
}
