// Real Firefox with fake devices, driven over WebDriver BiDi. It speaks to the page by the same names as the other stories, with the
// few acts that the stories about media need.

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { launch, type Browser, type Page } from "puppeteer-core";
import { until } from "./browser.js";
import { installProbe } from "./probe.js";
import { Speaker } from "./speaker.js";
import type { RoomKeys } from "./steps.js";

const OUT = "out";
const DESKTOP = { width: 1280, height: 800 };

const PREFERENCES = {
  "media.navigator.streams.fake": true,
  "media.navigator.permission.disabled": true,
  "media.peerconnection.ice.loopback": true,
  "permissions.default.camera": 1,
  "permissions.default.microphone": 1,
  "media.autoplay.default": 0,
  "media.autoplay.blocking_policy": 0,
  "media.autoplay.block-webaudio": false,
};

/** One person at one computer with Firefox. */
export class Fox {
  readonly #browser: Browser;
  readonly #speaker: Speaker | undefined;
  readonly page: Page;

  private constructor(browser: Browser, speaker: Speaker | undefined, page: Page) {
    this.#browser = browser;
    this.#speaker = speaker;
    this.page = page;
  }

  /** With a sound device, or without, where Firefox counts what it would give out. */
  static async take(sounding: boolean): Promise<Fox> {
    const speaker = sounding ? await Speaker.open() : undefined;
    const browser = await launch({
      browser: "firefox",
      executablePath: process.env["FIREFOX"] ?? "/usr/bin/firefox-esr",
      headless: true,
      acceptInsecureCerts: true,
      extraPrefsFirefox: PREFERENCES,
      env: { ...process.env, ...speaker?.environment },
    });
    const page = await browser.newPage();
    await page.setViewport(DESKTOP);
    await page.evaluateOnNewDocument(installProbe, { relay: null });
    return new Fox(browser, speaker, page);
  }

  /** Makes an account by an invitation, on the page for it. */
  async makeAccount(link: string, name: string, email: string, password: string): Promise<void> {
    await this.page.goto(link);
    await this.fill("Your name", name);
    await this.fill("E-mail", email);
    await this.fill("Choose a password", password);
    await this.press("Make my account");
    await until("the account", () => this.page.evaluate(() => location.pathname === "/"), Boolean);
  }

  async knock(room: RoomKeys): Promise<void> {
    await this.page.goto(room.link);
    await this.fill("Room password", room.password);
    await this.press("Ask to come in");
  }

  async isIn(): Promise<void> {
    await until("the room", () => this.page.evaluate(() => document.querySelector('[role=toolbar] button[aria-label="Leave"]') !== null), Boolean);
  }

  async fill(label: string, text: string): Promise<void> {
    await until(
      `the field ${label}`,
      () =>
        this.page.evaluate((wanted) => {
          const found = [...document.querySelectorAll("label")].find((one) => one.textContent.trim() === wanted)?.control;
          found?.focus();
          return found !== null && found !== undefined;
        }, label),
      (focused) => focused,
    );
    await this.page.keyboard.type(text);
  }

  /** Presses a button by its name or its words. */
  async press(name: string): Promise<void> {
    await until(
      `the button ${name}`,
      () =>
        this.page.evaluate((wanted) => {
          const found = [...document.querySelectorAll("button")].find((button) => (button.getAttribute("aria-label") ?? button.textContent).trim() === wanted);
          found?.click();
          return found !== undefined;
        }, name),
      (pressed) => pressed,
    );
  }

  async turnOn(name: "Mic" | "Camera"): Promise<void> {
    await this.press(name);
    await until(
      `${name} on`,
      () => this.page.evaluate((wanted) => document.querySelector(`[role=toolbar] button[aria-label="${wanted}"]`)?.getAttribute("aria-pressed"), name),
      (pressed) => pressed === "true",
    );
  }

  async shoot(name: string): Promise<void> {
    await mkdir(OUT, { recursive: true });
    await this.page.screenshot({ path: join(OUT, `${name}.png`) });
  }

  async leave(): Promise<void> {
    await this.#browser.close();
    await this.#speaker?.close();
  }
}
