// A real OpenID provider beside the server, at another site than the server's: npm's oidc-provider, with its own pages for signing in.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import type { RequestListener } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Provider from "oidc-provider";

export const CLIENT = "conclave";
export const SECRET = "told-to-the-provider-and-the-server-alone";

export class Identities {
  readonly issuer: string;
  readonly #folder: string;
  readonly #server: Server;
  #listener: RequestListener = (_request, response) => response.writeHead(503).end();

  private constructor(folder: string, server: Server) {
    this.#folder = folder;
    this.#server = server;
    this.issuer = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on("request", (request, response) => this.#listener(request, response));
  }

  static async open(): Promise<Identities> {
    const folder = mkdtempSync(join(tmpdir(), "conclave-provider-"));
    const [key, certificate] = [join(folder, "key.pem"), join(folder, "ca.pem")];
    const made = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=provider", "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"];
    execFileSync("openssl", [...made, "-keyout", key, "-out", certificate], { stdio: "ignore" });
    const server = createServer({ key: readFileSync(key), cert: readFileSync(certificate) });
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    return new Identities(folder, server);
  }

  /** The file of the certificate that vouches for it. */
  get authority(): string {
    return join(this.#folder, "ca.pem");
  }

  /** For `CONCLAVE_PROVIDERS`. */
  settings(id: string, name: string): string {
    const authorities = join(this.#folder, "ca.pem");
    return `[{ id = "${id}", kind = "openid", name = "${name}", issuer = "${this.issuer}", client_id = "${CLIENT}", client_secret = "${SECRET}", internal = true, authorities = "${authorities}" }]`;
  }

  /** Takes people in, and sends them back to this address and no other. */
  serve(redirect: string): void {
    const provider = new Provider(this.issuer, {
      clients: [{ client_id: CLIENT, client_secret: SECRET, redirect_uris: [redirect], grant_types: ["authorization_code"], response_types: ["code"] }],
      cookies: { keys: ["of this story alone"] },
      pkce: { required: () => true },
    });
    this.#listener = provider.callback();
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
