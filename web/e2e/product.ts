// Another product, as docs/embedding.md shows one: its server, its page and its generated client, taken from that page and run as they stand.

import { execFile, spawn, type ChildProcess } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { build } from "vite";
import { until } from "./browser.js";

const run = promisify(execFile);

/** The description that is checked in, and the page with the example. */
const DESCRIPTION = resolve("../../docs/openapi.json");
const EXAMPLE = resolve("../../docs/embedding.md");
/** Inside the workspace, so that the SDK is found by its name. */
const FOLDER = resolve("build/product");
/** All of the SDK within reach of a page, for what no product would do. */
const HOSTILE = 'import * as sdk from "@conclave/sdk";\nObject.assign(globalThis, { sdk });\n';

/** Makes the files of the product. The client is generated anew. */
export async function makeProduct(): Promise<void> {
  await rm(FOLDER, { recursive: true, force: true });
  await mkdir(FOLDER, { recursive: true });
  const example = await readFile(EXAMPLE, "utf8");
  for (const [, name, text] of example.matchAll(/^```\w+ (\S+)\n([\s\S]*?)^```$/gmu)) {
    await writeFile(join(FOLDER, name ?? ""), text ?? "");
  }
  await writeFile(join(FOLDER, "hostile.ts"), HOSTILE);
  await writeFile(join(FOLDER, "package.json"), '{ "type": "module" }\n');
  await run(resolve("../node_modules/.bin/swagger-typescript-api"), ["generate", "--path", DESCRIPTION, "--output", FOLDER, "--name", "client.ts", "--js"]);
  for (const name of ["page", "hostile"]) {
    await build({
      root: FOLDER,
      configFile: false,
      logLevel: "error",
      build: { outDir: FOLDER, emptyOutDir: false, target: "es2023", lib: { entry: join(FOLDER, `${name}.ts`), formats: ["es"], fileName: () => `${name}.js` } },
    });
  }
}

/** The bundle that gives a page all of the SDK. */
export function hostile(): Promise<string> {
  return readFile(join(FOLDER, "hostile.js"), "utf8");
}

export class Product {
  readonly origin: string;
  readonly #child: ChildProcess;

  private constructor(origin: string, child: ChildProcess) {
    this.origin = origin;
    this.#child = child;
  }

  /** An origin that nobody else has. */
  static async place(): Promise<string> {
    const port = await new Promise<number>((found, failed) => {
      const server = createServer().once("error", failed);
      server.listen(0, "127.0.0.1", () => {
        const address = server.address();
        server.close(() => found(typeof address === "object" && address !== null ? address.port : 0));
      });
    });
    return `http://127.0.0.1:${port}`;
  }

  static async open(origin: string, conclave: string, key: string): Promise<Product> {
    const own = { PATH: process.env["PATH"], CONCLAVE: conclave, CONCLAVE_KEY: key, PORT: new URL(origin).port };
    // The server of the story signs its certificate itself.
    const env = { ...own, NODE_TLS_REJECT_UNAUTHORIZED: "0", NODE_NO_WARNINGS: "1" };
    const child = spawn(process.execPath, ["server.mjs"], { cwd: FOLDER, env, stdio: ["ignore", "inherit", "inherit"] });
    const product = new Product(origin, child);
    await until("the product", () => fetch(origin).then(({ ok }) => ok, () => false), (up) => up);
    return product;
  }

  /** The product opens a lesson; gives the room of it. */
  async lesson(): Promise<string> {
    const answer = await fetch(`${this.origin}/lesson`, { method: "POST" });
    return ((await answer.json()) as { room: string }).room;
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const exit = new Promise<void>((done) => this.#child.once("exit", () => done()));
    this.#child.kill();
    await exit;
  }
}
