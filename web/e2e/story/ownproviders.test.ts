// A provider that an administrator adds on the page: tried out, registered, signed in by in a real browser, narrowed, turned off and removed; and the
// operator's beside it, which is only read.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before } from "node:test";
import { accessible, fits } from "../axe.js";
import { until, type Seat } from "../browser.js";
import { story } from "../chapter.js";
import { opening, type Opening } from "../opening.js";
import { CLIENT, Identities, SECRET } from "../provider.js";
import { button, PASSWORD } from "../steps.js";

let operators: Identities;
let own: Identities;
let folder: string;
let meeting: Opening<"owner" | "member">;
let owner: Seat;
let member: Seat;

const step = story(() => ({ owner, member }));

before(async () => {
  operators = await Identities.open();
  own = await Identities.open();
  folder = mkdtempSync(join(tmpdir(), "conclave-authorities-"));
  const authorities = join(folder, "ca.pem");
  writeFileSync(authorities, readFileSync(own.authority));
  const settings = { CONCLAVE_PROVIDERS: operators.settings("company", "Company"), CONCLAVE_SIGN_IN__INTERNAL: '["127.0.0.1"]', CONCLAVE_SIGN_IN__AUTHORITIES: authorities };
  meeting = await opening({ owner: "Room Owner", member: "Some Member" }, { stage: "accounts", settings });
  ({ owner, member } = meeting.seats);
});

after(async () => {
  await meeting?.close();
  await operators?.close();
  await own?.close();
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
});

const lines = () => owner.page.getByRole("list", { name: "Providers" }).locator("> li");

/** What one does at the provider: its own two pages. */
async function signInThere(seat: Seat, login: string): Promise<void> {
  const { page } = seat;
  await page.waitForURL((url) => url.origin === own.issuer);
  await page.locator("input[name=login]").fill(login);
  await page.locator("input[name=password]").fill("any");
  await page.locator("button[type=submit]").click();
  await page.locator("button[type=submit]", { hasText: /continue/iu }).click();
}

step("the operator's provider is shown in words and cannot be changed", async () => {
  const { page } = owner;
  await button(page, "Organisation").click();
  await page.getByRole("tab", { name: "Sign-in" }).click();
  await lines().getByText("set by the operator").waitFor();
  await lines().getByText("Lets in everyone who has an account there").waitFor();
  assert.equal(await button(page, "Change Company").count(), 0);
  await accessible(owner, "providers");
  await fits(owner, "providers");
  await owner.shootDark("220-providers");
});

step("an issuer is tried out, and what is wrong with one is told", async () => {
  const { page } = owner;
  await button(page, "Add a provider").click();
  const dialog = page.getByRole("dialog", { name: "Add a provider" });
  const redirect = (await dialog.getByLabel("Redirect address", { exact: true }).innerText()).trim();
  assert.match(redirect, /\/sign-in\/[a-z2-7]{26}$/u);
  own.serve(redirect);
  await dialog.getByLabel("Issuer").fill("https://10.0.0.1");
  await button(dialog, "Check").click();
  await dialog.getByText("on an internal network").waitFor();
  await dialog.getByLabel("Issuer").fill(`${own.issuer}/`);
  await button(dialog, "Check").click();
  await dialog.getByText("of another issuer").waitFor();
  await dialog.getByLabel("Issuer").fill(own.issuer);
  await button(dialog, "Check").click();
  await dialog.getByText("answers. People sign in at").waitFor();
  await accessible(owner, "provider_dialog");
  await fits(owner, "provider_dialog");
  await owner.shootDark("221-provider-dialog");
});

step("a provider is added, by keyboard to its end, and its secret is not shown again", async () => {
  const { page } = owner;
  const dialog = page.getByRole("dialog", { name: "Add a provider" });
  await dialog.getByLabel("Name").fill("Guild");
  await dialog.getByLabel("Client ID").fill(CLIENT);
  await dialog.getByLabel("Client secret").fill(SECRET);
  await button(dialog, "Add a rule to “Who may create rooms”").focus();
  await page.keyboard.press("Enter");
  await dialog.getByLabel("Claim 1").fill("groups");
  await dialog.getByLabel("Values 1").fill("makers, another");
  await accessible(owner, "provider_rules");
  await fits(owner, "provider_rules");
  await owner.shootDark("222-provider-rules");
  await button(dialog, "Add the provider").focus();
  await page.keyboard.press("Enter");
  await page.getByText("People can sign in with Guild now.").waitFor();
  await lines().getByText("claim groups is or holds “makers” or “another”").waitFor();
  assert.ok(!(await page.content()).includes(SECRET));
  await owner.shootDark("223-provider-added");
});

step("a member links what they have there and signs in by it", async () => {
  const { page } = member;
  await button(page, "Account").click();
  await button(page, "Link Guild").click();
  await page.getByLabel("Password of your account").fill(PASSWORD);
  await button(page, "Go on").click();
  await signInThere(member, "some-member");
  await button(page, "Unlink Guild").waitFor();
  await member.context.clearCookies();
  await page.goto(meeting.server.origin);
  await button(page, "Sign in with Guild").click();
  await signInThere(member, "some-member");
  await page.getByRole("heading", { name: "Your rooms" }).waitFor();
});

step("a narrower rule signs out whoever came by it, and lets nobody else in", async () => {
  const { page } = owner;
  await button(page, "Change Guild").click();
  const dialog = page.getByRole("dialog", { name: "Change Guild" });
  await dialog.waitFor();
  await page.locator('[aria-label="Change Guild"][aria-busy="false"]').waitFor();
  await button(dialog, "Add a rule to “Who is let in”").click();
  await dialog.getByLabel("Claim 1").first().fill("groups");
  await dialog.getByLabel("Values 1").first().fill("staff");
  await accessible(owner, "provider_change");
  await button(dialog, "Save").click();
  await page.getByText("Guild is changed.").waitFor();
  await lines().getByText("Lets in only those whose claim groups is or holds “staff”").waitFor();
  await member.page.reload();
  await member.page.getByRole("heading", { name: "Sign in" }).waitFor();
  await button(member.page, "Sign in with Guild").click();
  await member.page.getByRole("heading", { name: "That did not work" }).waitFor();
});

step("turned off it is offered to nobody, and removed it is gone", async () => {
  const { page } = owner;
  await button(page, "Turn off Guild").click();
  const off = page.getByRole("dialog", { name: "Turn off Guild?" });
  await off.waitFor();
  // The button that opened it shows that it is busy for a moment.
  await page.locator('[aria-label="Turn off Guild"][aria-busy="false"]').waitFor();
  await accessible(owner, "provider_off");
  await button(off, "Turn off").click();
  await lines().getByText("turned off").waitFor();
  await member.page.goto(meeting.server.origin);
  await button(member.page, "Sign in with Company").waitFor();
  assert.equal(await button(member.page, "Sign in with Guild").count(), 0);
  await owner.shootDark("224-provider-off");
  await button(page, "Turn on Guild").click();
  await page.getByText("People can sign in with Guild again.").waitFor();
  await button(page, "Remove Guild").click();
  const remove = page.getByRole("dialog", { name: "Remove Guild?" });
  await remove.getByText("What one account linked with it opens nothing.").waitFor();
  await fits(owner, "provider_remove");
  await owner.shoot("225-provider-remove");
  await button(remove, "Remove").click();
  await page.getByText("Guild is removed.").waitFor();
  await until("one line", () => lines().count(), (count) => count === 1);
});

step("no page broke its own rules", async () => {
  assert.deepEqual([...owner.complaints, ...member.complaints], []);
});
