// Where one is signed in: seen on the account page, ended from there while the other browser sits in a meeting, and renewed by two
// tabs of one browser at the same moment, which ends nothing.

import assert from "node:assert/strict";
import { after, before } from "node:test";
import { accessible, fits } from "../axe.js";
import { until, type Seat } from "../browser.js";
import { story } from "../chapter.js";
import { figure } from "../figures.js";
import { mailOf, opening, type Opening } from "../opening.js";
import { button, enter, inviteMember, isIn, knock, makeAccount, PASSWORD, waits } from "../steps.js";

let meeting: Opening<"host" | "desk" | "phone">;
let host: Seat;
let desk: Seat;
let phone: Seat;

const step = story(() => ({ host, desk, phone }));

before(async () => {
  meeting = await opening({ host: "Room Owner", desk: "Second Member", phone: "Second Member" }, { stage: "accounts", strangers: ["desk", "phone"] });
  ({ host, desk, phone } = meeting.seats);
  await makeAccount(desk, await inviteMember(host), "Second Member", mailOf("second"));
  await enter(host, meeting.room.link);
});

after(() => meeting?.close());

function table(seat: Seat) {
  return seat.page.getByRole("table", { name: "Where you are signed in" });
}

async function openAccount(seat: Seat): Promise<void> {
  await seat.page.goto(`${meeting.server.origin}/account`);
  await table(seat).waitFor();
  await seat.page.getByRole("heading", { name: "Where you are signed in" }).scrollIntoViewIfNeeded();
}

async function signIn(seat: Seat): Promise<void> {
  const { page } = seat;
  await page.goto(meeting.server.origin);
  await page.getByLabel("E-mail").fill(mailOf("second"));
  await page.getByLabel("Password of your account").fill(PASSWORD);
  await button(page, "Sign in").click();
  await page.getByRole("heading", { name: "Your rooms" }).waitFor();
}

step("the account page shows this browser, and that there is no other", async () => {
  await openAccount(desk);
  const row = table(desk).getByRole("row", { name: /This browser/u });
  assert.match(await row.innerText(), /Chrome on Linux/u);
  assert.match(await row.innerText(), /127\.0\.0\.\*/u);
  await desk.page.getByText("You are signed in nowhere else").waitFor();
  await desk.shoot("110-sessions-one");
});

step("another browser of the same account is shown as well, and its own row is another in each", async () => {
  await signIn(phone);
  await openAccount(desk);
  assert.equal(await table(desk).getByRole("row").count(), 3);
  assert.equal(await button(table(desk), "Sign out this browser").count(), 1);
  assert.equal(await button(table(desk), "Sign out Chrome on Linux").count(), 1);
  await accessible(desk, "sessions");
  await fits(desk, "sessions");
  await desk.shootDark("111-sessions-two");
});

step("one is signed out by the keyboard while it sits in a meeting, and is out of both at once", async () => {
  await phone.page.goto(meeting.room.link);
  await knock(phone, meeting.room.password);
  await waits(phone);
  await button(host.page, "Let in").click();
  await isIn(phone);
  const { page } = desk;
  await button(table(desk), "Sign out Chrome on Linux").focus();
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog", { name: "Sign out Chrome on Linux?" });
  await dialog.waitFor();
  await desk.shoot("112-sessions-ask");
  // Away from it nothing happens, and the keyboard is where it was.
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  assert.equal(await table(desk).getByRole("row").count(), 3);
  const named = () => page.evaluate(() => document.activeElement?.getAttribute("aria-label"));
  await until("the keyboard", named, (label) => label === "Sign out Chrome on Linux");
  await page.keyboard.press("Enter");
  await dialog.waitFor();
  // The answer has the focus.
  const begun = performance.now();
  await page.keyboard.press("Enter");
  await phone.page.getByRole("button", { name: "Leave" }).waitFor({ state: "detached" });
  figure("story.sessions.out", performance.now() - begun, "ms");
  await page.getByRole("status").getByText("Chrome on Linux is signed out").waitFor();
  await page.getByText("You are signed in nowhere else").waitFor();
  await until("the keyboard", () => page.evaluate(() => document.activeElement?.id), (id) => id === "sessions");
  await desk.shoot("113-sessions-ended");
  await phone.shoot("114-sessions-out");
  await phone.page.goto(meeting.server.origin);
  await phone.page.getByRole("heading", { name: "Sign in" }).waitFor();
});

step("two tabs that renew at the same moment end nothing, with and without the browser's locks", async () => {
  const tabs = [desk.page, await desk.context.newPage()];
  // A request that is still on its way would renew before the reload, and its answer set what was just cleared.
  const quiet = async () => {
    for (const tab of tabs) {
      await tab.getByRole("heading", { name: "Your rooms" }).waitFor();
      await tab.waitForLoadState("networkidle");
    }
  };
  for (const locks of [true, false]) {
    if (!locks) for (const tab of tabs) await tab.addInitScript("delete Navigator.prototype.locks");
    for (const tab of tabs) await tab.goto(meeting.server.origin);
    assert.equal(await desk.page.evaluate(() => "locks" in navigator), locks);
    for (let round = 0; round < 3; round += 1) {
      await quiet();
      const renewed: string[] = [];
      const watch = (response: { url(): string; status(): number }) => {
        if (response.url().endsWith("/api/session/renew")) renewed.push(String(response.status()));
      };
      for (const tab of tabs) tab.on("response", watch);
      // What was shown with each request is over; what renews it is not.
      await desk.context.clearCookies({ name: "__Host-conclave" });
      await Promise.all(tabs.map((tab) => tab.reload()));
      await quiet();
      for (const tab of tabs) tab.off("response", watch);
      assert.ok(renewed.includes("200"), `nobody renewed: ${renewed.join(" ")}`);
      assert.ok(!renewed.includes("403"), renewed.join(" "));
    }
  }
  await openAccount(desk);
  assert.equal(await table(desk).getByRole("row").count(), 2);
});

step("signing out this browser leads to the sign-in", async () => {
  await button(table(desk), "Sign out this browser").click();
  await button(desk.page.getByRole("dialog"), "Sign out").click();
  await desk.page.getByRole("heading", { name: "Sign in" }).waitFor();
  const cookies = await until("the cookie", () => desk.context.cookies(), (cookies) => !cookies.some(({ name }) => name === "__Host-conclave"));
  assert.ok(!cookies.some(({ name }) => name === "__Host-conclave-renewal"));
});

step("no page broke its own rules", async () => {
  assert.deepEqual([...host.complaints, ...desk.complaints, ...phone.complaints], []);
});
