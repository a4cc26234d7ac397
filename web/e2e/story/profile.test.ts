// A new name or picture: held until a host approves it, with old and new side by side and a warning; everyone sees the old until
// then, and the picture is the server's own drawing.

import assert from "node:assert/strict";
import { after, before } from "node:test";
import { accessible, fits } from "../axe.js";
import type { Seat } from "../browser.js";
import { story } from "../chapter.js";
import { opening, type Opening } from "../opening.js";
import { button, closePanel, peoplePanel, setSetting, told } from "../steps.js";

const OWNER = "Room Owner";
const MEMBER = "Second Member";
/** With two letters of another script. */
const LOOKALIKE = "Rооm Owner";
const BETTER = "Better Name";

let meeting: Opening<"host" | "member">;
let host: Seat;
let member: Seat;

const step = story(() => ({ host, member }));

before(async () => {
  meeting = await opening({ host: OWNER, member: MEMBER }, { stage: "in" });
  ({ host, member } = meeting.seats);
});

after(() => meeting?.close());

step("a name that looks like a host's is held, and the host is warned", async () => {
  await ask({ name: LOOKALIKE });
  await told(member, "A host looks at your change.");
  await told(host, `${MEMBER} wants to change how they are shown.`);
  await button(host.page, "See the change").click();
  const change = host.page.getByRole("listitem", { name: `Change of ${MEMBER}` });
  await change.getByText(LOOKALIKE).waitFor();
  await change.getByText(`Looks like the name of ${OWNER}, who is a host here.`).waitFor();
  await accessible(host, "changes");
  await fits(host, "changes");
  await host.shootDark("110-change");
  assert.equal(await member.page.getByText(LOOKALIKE).count(), 0);
  await change.focus();
  await host.page.keyboard.press("d");
  await told(member, `${OWNER} did not approve your change.`);
  await host.page.getByText("Nobody wants to be shown differently.").waitFor();
});

step("a name and a picture are approved, and only then shown to everyone", async () => {
  await ask({ name: BETTER, picture: true });
  const change = host.page.getByRole("listitem", { name: `Change of ${MEMBER}` });
  await change.locator("img").waitFor();
  await host.shoot("111-picture-change");
  await host.page.locator(`li[aria-label^="${MEMBER},"]`).waitFor();
  await button(change, `Approve the change of ${MEMBER}`).click();
  await told(member, `${OWNER} approved your change.`);
  for (const seat of [host, member]) {
    await closePanel(seat);
    const shown = seat.page.locator(`li[aria-label^="${BETTER}"] .niche img`);
    await shown.waitFor();
    assert.ok((await shown.evaluate((picture: HTMLImageElement) => picture.naturalWidth)) > 0);
  }
  await host.shootDark("112-picture");
  await peoplePanel(host, "In the room");
  await accessible(host, "people_pictures");
});

step("where a host lets changes be free they are shown at once", async () => {
  await setSetting(host, "New names and pictures", "Shown at once");
  await ask({ name: MEMBER });
  await host.page.locator(`li[aria-label^="${MEMBER}"]`).first().waitFor();
});

step("outside a meeting an account keeps the name and picture that it comes with next", async () => {
  await member.page.goto(meeting.server.origin);
  await button(member.page, `${MEMBER}: name and picture`).click();
  const dialog = member.page.getByRole("dialog", { name: "Your name and picture" });
  await choosePicture();
  await dialog.locator("img").waitFor();
  await accessible(member, "own_profile");
  await fits(member, "own_profile");
  await member.shootDark("113-own-profile");
  await button(dialog, "Keep").click();
  await dialog.waitFor({ state: "detached" });
  await button(member.page, `${MEMBER}: name and picture`).locator("img").waitFor();
  assert.deepEqual([...host.complaints, ...member.complaints], []);
});

async function ask(change: { name: string; picture?: true }): Promise<void> {
  const panel = await peoplePanel(member, "In the room");
  await button(panel, "Change your name or picture").click();
  const dialog = member.page.getByRole("dialog", { name: "Your name and picture" });
  await dialog.getByLabel("Your name").fill(change.name);
  if (change.picture) {
    await choosePicture();
    await dialog.locator("img").waitFor();
    await accessible(member, "profile_dialog");
    await fits(member, "profile_dialog");
    await member.shoot("114-profile-dialog");
  }
  await dialog.locator("button[type=submit]").click();
  await dialog.waitFor({ state: "detached" });
}

/** A picture as a browser draws one. */
async function choosePicture(): Promise<void> {
  const drawn = await member.page.evaluate(() => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [320, 240];
    const pen = canvas.getContext("2d");
    if (pen !== null) {
      pen.fillStyle = "#c29a45";
      pen.fillRect(0, 0, 320, 240);
      pen.fillStyle = "#1d5a50";
      pen.arc(160, 120, 80, 0, 7);
      pen.fill();
    }
    return canvas.toDataURL("image/png").split(",")[1] ?? "";
  });
  await member.page.getByLabel("Picture file").setInputFiles({ name: "me.png", mimeType: "image/png", buffer: Buffer.from(drawn, "base64") });
}
