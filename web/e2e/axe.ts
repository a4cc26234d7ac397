// What axe-core finds wrong with a screen for those who listen, type or see little, in light and in dark; and whether a screen fits.

import { strict as assert } from "node:assert";
import axe from "axe-core";
import type { Seat } from "./browser.js";
import { figure } from "./figures.js";

interface Found {
  id: string;
  nodes: { html: string; failureSummary?: string }[];
}

/** Counts what is wrong, prints it as a figure, and fails with the places where it is. */
export async function accessible(seat: Seat, screen: string): Promise<void> {
  const { page } = seat;
  const told: string[] = [];
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(axe.source);
    const found = await page.evaluate(async () => {
      const { axe: tester } = window as unknown as { axe: { run(place: Document): Promise<{ violations: Found[] }> } };
      return (await tester.run(document)).violations;
    });
    for (const one of found) told.push(...one.nodes.map((node) => `${colorScheme}: ${one.id}: ${node.html.slice(0, 160)}\n${node.failureSummary ?? ""}`));
  }
  await page.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" });
  figure(`axe.violations.${screen}`, told.length, "count");
  assert.equal(told.length, 0, told.join("\n\n"));
}

const NARROW = { width: 320, height: 640 };
/** What 1280 by 800 leaves at a zoom of 200 %: half the CSS pixels each way. */
const ZOOMED = { width: 640, height: 400 };
const DESKTOP = { width: 1280, height: 800 };

/** Nothing is cut off or has to be scrolled sideways, at 320 CSS pixels and at 200 % zoom. */
export async function fits(seat: Seat, screen: string): Promise<void> {
  const { page } = seat;
  for (const [name, viewport] of [["320", NARROW], ["zoom-200", ZOOMED]] as const) {
    await page.setViewportSize(viewport);
    await page.waitForTimeout(150);
    const wide = await page.evaluate(() => {
      const seen = document.documentElement.clientWidth;
      const out = [...document.querySelectorAll<HTMLElement>("button, input, select, textarea, h1, h2, h3, p, a, dd, td")].filter((element) => {
        const box = element.getBoundingClientRect();
        const hidden = box.width <= 1 || element.closest(".unseen, .tab-list, .stage-strip, [hidden]") !== null;
        return !hidden && (box.right > seen + 1 || box.left < -1);
      });
      return { page: document.documentElement.scrollWidth - seen, out: out.slice(0, 8).map((element) => `${element.tagName} ${element.className} ${element.textContent.slice(0, 40)}`) };
    });
    await page.screenshot({ path: `out/fits-${screen}-${name}.png` });
    assert.deepEqual(wide, { page: 0, out: [] }, `${screen} at ${name}`);
  }
  await page.setViewportSize(DESKTOP);
}
