// Chromium’s virtual authenticator.

import type { CDPSession, Page } from "playwright-core";
import type { Seat } from "./browser.js";

/** The authenticator in somebody's device, as Chromium plays it. */
export class Authenticator {
  readonly #session: CDPSession;
  readonly #id: string;

  private constructor(session: CDPSession, id: string) {
    this.#session = session;
    this.#id = id;
  }

  static in(seat: Seat): Promise<Authenticator> {
    return Authenticator.on(seat.page);
  }

  /** Each page has its own. */
  static async on(page: Page): Promise<Authenticator> {
    const session = await page.context().newCDPSession(page);
    await session.send("WebAuthn.enable");
    const options = { protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true } as const;
    const { authenticatorId } = await session.send("WebAuthn.addVirtualAuthenticator", { options });
    return new Authenticator(session, authenticatorId);
  }

  /** Whether it knows its owner's finger. */
  async knows(owner: boolean): Promise<void> {
    await this.#session.send("WebAuthn.setUserVerified", { authenticatorId: this.#id, isUserVerified: owner });
  }

  /** As a copy would be that was made when it had counted so far. */
  async turnBack(signCount: number): Promise<void> {
    const authenticatorId = this.#id;
    const { credentials } = await this.#session.send("WebAuthn.getCredentials", { authenticatorId });
    for (const credential of credentials) {
      await this.#session.send("WebAuthn.removeCredential", { authenticatorId, credentialId: credential.credentialId });
      await this.#session.send("WebAuthn.addCredential", { authenticatorId, credential: { ...credential, signCount } });
    }
  }

  /** What it has, another one has as well: as one device that is asked from two pages. */
  async giveTo(other: Authenticator): Promise<void> {
    const { credentials } = await this.#session.send("WebAuthn.getCredentials", { authenticatorId: this.#id });
    for (const credential of credentials) await other.#session.send("WebAuthn.addCredential", { authenticatorId: other.#id, credential });
  }

  async clear(): Promise<void> {
    await this.#session.send("WebAuthn.clearCredentials", { authenticatorId: this.#id });
  }
}
