// The members page: who has an account and how they sign in; a right given and taken, sessions ended, an account ended by its name, and the
// last administrator, who stays.

import assert from "node:assert/strict";
import { after, before } from "node:test";
import { accessible, fits } from "../axe.js";
import { until, type Seat } from "../browser.js";
import { story } from "../chapter.js";
import { mailOf, opening, type Opening } from "../opening.js";
import { button } from "../steps.js";

let meeting: Opening<"owner" | "member">;
let owner: Seat;
let member: Seat;

const step = story(() => ({ owner, member }));

before(async () => {
  meeting = await opening({ owner: "Room Owner", member: "Some Member" }, { stage: "accounts" });
  ({ owner, member } = meeting.seats);
});

after(() => meeting?.close());

const lines = () => owner.page.getByRole("list", { name: "Members" }).getByRole("listitem");

step("everyone with an account is listed, with their rights, their address and how they sign in", async () => {
  const { page } = owner;
  await button(page, "Organisation").click();
  await page.getByRole("tab", { name: "Members" }).click();
  const own = lines().filter({ hasText: "Room Owner" });
  await own.getByText("you", { exact: true }).waitFor();
  await own.getByText("administrator", { exact: true }).waitFor();
  await own.getByText(mailOf("owner")).waitFor();
  await own.getByText("Signs in with a password").waitFor();
  assert.equal(await lines().count(), 2);
  await accessible(owner, "members");
  await fits(owner, "members");
  await owner.shootDark("210-members");
});

step("a search finds by name and by address, and says when it finds nobody", async () => {
  const { page } = owner;
  const search = page.getByLabel("Search");
  for (const words of ["SOME", mailOf("member").slice(0, 8)]) {
    await search.fill(words);
    await until("one line", () => lines().count(), (count) => count === 1);
    await lines().getByText("Some Member").waitFor();
  }
  await search.fill("nobody at all");
  await page.getByText("Nobody’s name or e-mail address has that in it.").waitFor();
  await accessible(owner, "members_none");
  await search.fill("");
  await until("both lines", () => lines().count(), (count) => count === 2);
});

step("the last administrator stays one, and is told so", async () => {
  const { page } = owner;
  await button(page, "Change what Room Owner may do").click();
  const dialog = page.getByRole("dialog", { name: "What may Room Owner do?" });
  await dialog.getByLabel("Administer the organisation").click();
  await dialog.getByText("You are signed out").waitFor();
  await button(dialog, "Save").click();
  await dialog.getByRole("alert").getByText("The last administrator cannot go.").waitFor();
  await accessible(owner, "member_dialog");
  await fits(owner, "member_dialog");
  await owner.shootDark("211-last-administrator");
  await page.keyboard.press("Escape");
  await button(page, "End account of Room Owner").click();
  const end = page.getByRole("dialog", { name: "End the account of Room Owner?" });
  await end.getByLabel("Type “Room Owner” to go on").fill("Room Owner");
  await button(end, "End the account for good").click();
  await end.getByRole("alert").getByText("The last administrator cannot go.").waitFor();
  await page.keyboard.press("Escape");
});

step("a right is given by keyboard alone, and holds at once", async () => {
  const { page } = owner;
  await button(page, "Change what Some Member may do").focus();
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog", { name: "What may Some Member do?" });
  await dialog.getByLabel("Create rooms").focus();
  await page.keyboard.press("Space");
  await dialog.getByLabel("Create rooms").and(page.locator(":checked")).waitFor();
  await button(dialog, "Save").focus();
  await page.keyboard.press("Enter");
  await page.getByText("What Some Member may do is changed.").waitFor();
  await lines().filter({ hasText: "Some Member" }).getByText("may create rooms").waitFor();
  await member.page.reload();
  await button(member.page, "New room").waitFor();
});

step("whoever is signed out everywhere is asked to sign in again", async () => {
  const { page } = owner;
  await button(page, "Sign out Some Member").click();
  const dialog = page.getByRole("dialog", { name: "Sign Some Member out everywhere?" });
  await accessible(owner, "member_sign_out");
  await button(dialog, "Sign out").click();
  await page.getByText("Some Member is signed out everywhere.").waitFor();
  await member.page.reload();
  await member.page.getByRole("heading", { name: "Sign in" }).waitFor();
});

step("an account ends when its name is typed, and is gone", async () => {
  const { page } = owner;
  await button(page, "End account of Some Member").click();
  const dialog = page.getByRole("dialog", { name: "End the account of Some Member?" });
  await dialog.getByLabel("Type “Some Member” to go on").fill("Some member");
  await button(dialog, "End the account for good").click();
  await dialog.getByText("That is not the name.").waitFor();
  await accessible(owner, "member_end");
  await fits(owner, "member_end");
  await owner.shootDark("212-end-account");
  await dialog.getByLabel("Type “Some Member” to go on").fill("Some Member");
  await button(dialog, "End the account for good").click();
  await page.getByText("The account of Some Member has ended.").waitFor();
  await until("one line", () => lines().count(), (count) => count === 1);
});

step("a new member is invited from here", async () => {
  const { page } = owner;
  await button(page, "Invite a member").click();
  await button(page, "Make the link").click();
  assert.match(await page.getByLabel("Member link", { exact: true }).innerText(), /\/invitation#/u);
  await owner.shoot("213-invited");
  await button(page, "Done").click();
});

step("no page broke its own rules", async () => {
  assert.deepEqual([...owner.complaints, ...member.complaints], []);
});
