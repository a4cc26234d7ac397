// After a meeting: what is said is no more than what is known.

import { h } from "preact";
import { expect, test } from "vitest";
import { EndedPage } from "../src/pages/ended";
import { eachHasAPage, page } from "./page";

eachHasAPage();

test("who cannot come straight back is not told a cause that only may be one: the server answers all of them alike", async () => {
  const text = "You were away too long to come straight back. Join again.";
  await page.show(h(EndedPage, { closed: { phase: "closed", code: "cannot_resume", text, wasIn: true }, onAgain: () => undefined }));
  expect(page.text("h1")).toEqual(["You cannot come straight back"]);
  expect(page.text("p").join(" ")).not.toContain(text);
  expect(page.text("p").join(" ")).toContain("or a host may have ended");
  expect(page.text("button")).toContain("Join again");
});

test("every other end is told in the server's words", async () => {
  await page.show(h(EndedPage, { closed: { phase: "closed", code: "ended", text: "The meeting has ended.", wasIn: true }, onAgain: () => undefined }));
  expect(page.text("p")[0]).toBe("The meeting has ended.");
});
