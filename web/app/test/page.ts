// A page without a browser, for what a component does over time: as much of its elements as Preact touches, and no look of them.

import { render, type ComponentChild } from "preact";
import { afterEach, beforeEach, vi } from "vitest";

class Part {
  readonly ownerDocument = null;
  parentNode: Element | null = null;
  constructor(readonly nodeType: number) {}

  get nextSibling(): Part | null {
    const all = this.parentNode?.childNodes ?? [];
    return all[all.indexOf(this) + 1] ?? null;
  }

  get text(): string {
    return "";
  }
}

class Text extends Part {
  constructor(public data: string) {
    super(3);
  }

  override get text(): string {
    return this.data;
  }
}

class Element extends Part {
  readonly childNodes: Part[] = [];
  readonly style = {};
  readonly dataset: Record<string, string> = {};
  readonly attributes: { name: string; value: string }[] = [];
  readonly #listeners = new Map<string, (event: unknown) => void>();

  constructor(readonly localName: string) {
    super(1);
  }

  get firstChild(): Part | null {
    return this.childNodes[0] ?? null;
  }

  override get text(): string {
    return this.childNodes.map((child) => child.text).join("");
  }

  insertBefore(child: Part, before: Part | null): void {
    child.parentNode?.removeChild(child);
    const at = before === null ? -1 : this.childNodes.indexOf(before);
    this.childNodes.splice(at < 0 ? this.childNodes.length : at, 0, child);
    child.parentNode = this;
  }

  removeChild(child: Part): void {
    this.childNodes.splice(this.childNodes.indexOf(child), 1);
    child.parentNode = null;
  }

  setAttribute(name: string, value: unknown): void {
    this.removeAttribute(name);
    this.attributes.push({ name, value: String(value) });
  }

  removeAttribute(name: string): void {
    const at = this.attributes.findIndex((one) => one.name === name);
    if (at >= 0) this.attributes.splice(at, 1);
  }

  addEventListener(name: string, listener: (event: unknown) => void): void {
    this.#listeners.set(name, listener);
  }

  /** Preact names events as its properties do where it finds no such property, as here. */
  fire(type: "Click" | "Change" | "Input" | "Submit"): void {
    this.#listeners.get(type)?.call(this, { type, target: this, currentTarget: this, preventDefault: () => undefined });
  }

  focus(): void {}
  showModal(): void {}
  play(): Promise<void> {
    return Promise.resolve();
  }
  close(): void {}
}

export class Page {
  readonly #root = new Element("body");

  constructor() {
    const heard = { addEventListener: () => undefined, removeEventListener: () => undefined };
    vi.stubGlobal("document", { ...heard, createElementNS: (_: string, name: string) => new Element(name), createTextNode: (text: string) => new Text(text) });
    vi.stubGlobal("navigator", {});
    for (const [name, nothing] of Object.entries(heard)) vi.stubGlobal(name, nothing);
  }

  /** Another page takes the place of the one before; null leaves none. */
  async show(page: ComponentChild): Promise<void> {
    render(page, this.#root as unknown as Parameters<typeof render>[1]);
    await settled();
  }

  /** What stands where, by the kind of element or by its role. */
  text(kind: string): string[] {
    return this.#all(this.#root)
      .filter((one) => one.localName === kind || one.attributes.some(({ name, value }) => name === "role" && value === kind))
      .map((one) => one.text);
  }

  async press(words: string): Promise<void> {
    const button = this.#all(this.#root).find((one) => one.localName === "button" && one.text === words);
    if (button === undefined) throw new Error(`there is no button “${words}”`);
    button.fire("Click");
    await settled();
  }

  /** Sends the first form. */
  async submit(): Promise<void> {
    const form = this.#all(this.#root).find((one) => one.localName === "form");
    if (form === undefined) throw new Error("there is no form");
    form.fire("Submit");
    await settled();
  }

  /** What stands in the fields of that kind. */
  values(kind: "input" | "textarea"): unknown[] {
    return this.#all(this.#root)
      .filter((one) => one.localName === kind)
      .map((one) => (one as { value?: unknown }).value ?? one.attributes.find(({ name }) => name === "value")?.value);
  }

  /** By the button in its corner, which has no words. */
  async close(): Promise<void> {
    const button = this.#all(this.#root).find((one) => one.attributes.some(({ name, value }) => name === "aria-label" && value === "Close"));
    if (button === undefined) throw new Error("there is no dialog");
    button.fire("Click");
    await settled();
  }

  /** Puts a value into the one field or list of that kind, or into the first. */
  async put(kind: "select" | "input" | "textarea", value: string): Promise<void> {
    const field = this.#all(this.#root).find((one) => one.localName === kind);
    if (field === undefined) throw new Error(`there is no ${kind}`);
    Object.assign(field, { value });
    field.fire(kind === "select" ? "Change" : "Input");
    await settled();
  }

  /** Chooses a file in the first field. */
  async upload(file: File): Promise<void> {
    const field = this.#all(this.#root).find((one) => one.localName === "input");
    if (field === undefined) throw new Error("there is no field for a file");
    Object.assign(field, { files: [file] });
    field.fire("Change");
    await settled();
  }

  #all(from: Element): Element[] {
    return [from, ...from.childNodes.flatMap((child) => (child instanceof Element ? this.#all(child) : []))];
  }
}

/** Until what was set is drawn and its effects have run: Preact gives them a frame. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 2; turn += 1) await new Promise((done) => setTimeout(done, 40));
}

/** The page of the present test. */
export let page: Page;

/** Each test of a file has a page of its own, and leaves nothing behind. */
export function eachHasAPage(): void {
  beforeEach(() => {
    page = new Page();
  });
  afterEach(async () => {
    await page.show(null);
    vi.restoreAllMocks();
    vi.unstubAllGlobals();
  });
}
