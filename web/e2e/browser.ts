// Real Chromium with fake devices, one process per person, and the screenshots of what the person sees.

import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { chromium, type Browser, type BrowserContext, type Page } from "playwright-core";
import { installProbe } from "./probe.js";

const OUT = "out";
const DESKTOP = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 844 };
const PATIENCE_MS = 60_000;

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--use-fake-device-for-media-stream",
  "--use-fake-ui-for-media-stream",
  "--allow-loopback-in-peer-connection",
  "--ignore-certificate-errors",
];

/** One person at one computer. */
export class Seat {
  readonly browser: Browser;
  readonly context: BrowserContext;
  page: Page;
  /** What the page complained about: a breach of its own content policy, an error that nobody caught. */
  readonly complaints: string[] = [];

  /** The browser is somebody else's. */
  readonly #shared: boolean;

  private constructor(browser: Browser, context: BrowserContext, page: Page, shared: boolean) {
    this.#shared = shared;
    this.browser = browser;
    this.context = context;
    this.page = page;
    this.#watch(page);
  }

  /** With `beside` in a window of that browser, which knows nothing of the others. */
  static async take(options: { relay?: number; beside?: Seat; voice?: string } = {}): Promise<Seat> {
    // A file is spoken once each time that the microphone is opened.
    const args = options.voice === undefined ? FLAGS : [...FLAGS, `--use-file-for-fake-audio-capture=${resolve(options.voice)}%noloop`];
    const browser = options.beside?.browser ?? (await chromium.launch({ executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium", headless: true, args }));
    const context = await browser.newContext({ viewport: DESKTOP, ignoreHTTPSErrors: true, reducedMotion: "reduce" });
    context.setDefaultTimeout(PATIENCE_MS);
    await context.addInitScript(installProbe, { relay: options.relay ?? null });
    return new Seat(browser, context, await context.newPage(), options.beside !== undefined);
  }

  /** Kills the page as a crash would, and opens its tab again: the same cookies, the same `sessionStorage`, no unloading. */
  async crash(): Promise<void> {
    const { page } = this;
    const kept = await page.evaluate(() => Object.entries(sessionStorage));
    const address = page.url();
    const session = await this.context.newCDPSession(page);
    const crashed = page.waitForEvent("crash");
    // A crashed page answers nothing, this included.
    session.send("Page.crash").catch(() => undefined);
    await crashed;
    this.page = await this.context.newPage();
    this.#watch(this.page);
    await this.page.addInitScript((entries) => {
      if (sessionStorage.length === 0) for (const [key, value] of entries) sessionStorage.setItem(key, value);
    }, kept);
    await this.page.goto(address);
    await this.#close(page);
  }

  /** The state as it is, at desktop and at phone width. */
  async shoot(name: string): Promise<void> {
    await mkdir(OUT, { recursive: true });
    await this.page.screenshot({ path: join(OUT, `${name}.png`) });
    await this.page.setViewportSize(PHONE);
    await this.page.waitForTimeout(300);
    await this.page.screenshot({ path: join(OUT, `${name}-phone.png`) });
    await this.page.setViewportSize(DESKTOP);
    await this.page.waitForTimeout(100);
  }

  /** As `shoot`, and in the dark too. */
  async shootDark(name: string): Promise<void> {
    await this.shoot(name);
    await this.page.emulateMedia({ colorScheme: "dark" });
    await this.page.screenshot({ path: join(OUT, `${name}-dark.png`) });
    await this.page.emulateMedia({ colorScheme: "light" });
  }

  async leave(): Promise<void> {
    await (this.#shared ? this.context.close() : this.browser.close());
  }

  /** A crashed page may not even answer that it closes. */
  async #close(page: Page): Promise<void> {
    const patience = new Promise<void>((resume) => setTimeout(resume, 2_000));
    await Promise.race([page.close().catch(() => undefined), patience]);
  }

  #watch(page: Page): void {
    page.on("pageerror", (error) => this.complaints.push(error.message));
    page.on("console", (message) => {
      if (/Content.Security.Policy|TrustedHTML|TrustedScript/iu.test(message.text())) this.complaints.push(message.text());
    });
  }
}

export async function until<Value>(what: string, look: () => Promise<Value>, good: (value: Value) => boolean, patience = PATIENCE_MS): Promise<Value> {
  const end = Date.now() + patience;
  for (;;) {
    const value = await look();
    if (good(value)) return value;
    if (Date.now() > end) throw new Error(`${what}: still ${JSON.stringify(value)} after ${patience} ms`);
    await new Promise((resume) => setTimeout(resume, 200));
  }
}
