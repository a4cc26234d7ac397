// A receiver of webhooks: a real HTTPS server with a certificate of its own authority, that keeps what it got.

import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import type { IncomingHttpHeaders } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Got {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly answered: number;
}

export class Receiver {
  readonly got: Got[] = [];
  /** What it answers. */
  answer = 204;

  private constructor(
    private readonly server: Server,
    private readonly folder: string,
    /** The file of the authority that a server has to trust. */
    readonly authority: string,
  ) {}

  static async open(): Promise<Receiver> {
    const folder = await mkdtemp(join(tmpdir(), "conclave-receiver-"));
    const [key, certificate] = [join(folder, "key.pem"), join(folder, "certificate.pem")];
    execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE", "-keyout", key, "-out", certificate], { stdio: "ignore" });
    const server = createServer({ key: await readFile(key), cert: await readFile(certificate) });
    const receiver = new Receiver(server, folder, certificate);
    server.on("request", (request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        receiver.got.push({ headers: request.headers, body: Buffer.concat(chunks).toString(), answered: receiver.answer });
        response.writeHead(receiver.answer).end();
      });
    });
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    return receiver;
  }

  get url(): string {
    return `https://localhost:${(this.server.address() as AddressInfo).port}/hooks`;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise<void>((done) => this.server.close(() => done()));
    await rm(this.folder, { recursive: true, force: true });
  }
}
