// Settings at their three levels: what the organisation locks no room changes; a relaxation shows first who could do more because
// of it; presets; and two hosts who must agree where the organisation wants it.

import assert from "node:assert/strict";
import { after, before } from "node:test";
import { accessible, fits } from "../axe.js";
import { until, type Seat } from "../browser.js";
import { story } from "../chapter.js";
import { opening, type Opening } from "../opening.js";
import { button, closePanel, done, enter, focusPerson, isIn, knock, openRoomPanel, peoplePanel, told, waits } from "../steps.js";

const OWNER = "Room Owner";
const MEMBER = "Second Member";
const THIRD = "Third Person";

let meeting: Opening<"host" | "member" | "third">;
let host: Seat;
let member: Seat;
let third: Seat;

const step = story(() => ({ host, member, third }));

before(async () => {
  meeting = await opening({ host: OWNER, member: MEMBER, third: THIRD }, { stage: "accounts" });
  ({ host, member, third } = meeting.seats);
});

after(() => meeting?.close());

step("what the organisation chooses and locks holds in every room", async () => {
  const { page } = host;
  await button(page, "Organisation").click();
  const sharing = page.getByRole("listitem").filter({ hasText: "Who may share a screen" });
  await sharing.getByLabel("Locked: no room may differ").click();
  await sharing.getByText("Set by the organisation").waitFor();
  await page.getByLabel("Two hosts must agree before anyone is let in").click();
  await until("the option", () => page.getByLabel("Two hosts must agree before anyone is let in").isChecked(), Boolean);
  await host.shootDark("120-organisation-locks");
  await button(page, "All rooms").click();
  await button(page, "Settings of Board").click();
  const here = page.getByRole("listitem").filter({ hasText: "Who may share a screen" });
  await here.getByText("The organisation locked it: rooms cannot change it.").waitFor();
  assert.equal(await here.getByRole("combobox").count(), 0);
});

step("who can get in now stands beside every setting", async () => {
  const { page } = host;
  const waiting = page.getByRole("listitem").filter({ hasText: "Who waits outside until" });
  await waiting.getByText("Who can get in now?").click();
  await waiting.getByRole("row", { name: /Attendee comes in Waits for a host/u }).waitFor();
  await accessible(host, "who_can_get_in");
  await host.shootDark("121-who-now");
});

step("a relaxation shows whom it lets do more, and is made only then", async () => {
  const { page } = host;
  const choice = page.getByLabel("Waiting room", { exact: true });
  await choice.selectOption({ label: "Guests only" });
  const dialog = page.getByRole("dialog", { name: "Relax “Waiting room”?" });
  await dialog.getByRole("row", { name: /Attendee comes in Waits for a host At once/u }).waitFor();
  await accessible(host, "relax_preview");
  await fits(host, "relax_preview");
  await host.shootDark("122-relax-preview");
  await button(dialog, "Leave it").click();
  assert.equal(await choice.inputValue(), "everyone");
});

step("a preset sets many at once, says how many, and what the organisation keeps", async () => {
  await enter(host, meeting.room.link);
  const panel = await openRoomPanel(host, "Settings");
  await panel.getByRole("button", { name: /^Team meeting/u }).click();
  const dialog = host.page.getByRole("dialog", { name: "Set the room as “Team meeting”?" });
  await accessible(host, "preset_dialog");
  await button(dialog, "Set as “Team meeting”").click();
  await panel.getByText(/^Set as “Team meeting”: \d+ settings changed\. The organisation keeps as they are: Screen sharing\.$/u).waitFor();
  await host.shoot("123-preset");
  await accessible(host, "preset_done");
  await panel.getByRole("button", { name: /^Locked down/u }).click();
  await host.page.keyboard.press("Enter");
  await panel.getByText(/^Set as “Locked down”/u).waitFor();
  await closePanel(host);
});

step("a room that has chosen for itself may follow its organisation again", async () => {
  const panel = await openRoomPanel(host, "Settings");
  const waiting = panel.getByRole("listitem").filter({ hasText: "Who waits outside until" });
  await waiting.getByText("Set for this room").waitFor();
  await button(waiting, "Follow the organisation (Waiting room)").click();
  const dialog = host.page.getByRole("dialog", { name: "Let “Waiting room” follow the organisation?" });
  await dialog.getByText("what the organisation says, now and later").waitFor();
  await accessible(host, "follow_dialog");
  await host.shoot("125-follow");
  await button(dialog, "Follow it").click();
  await waiting.getByText("Default", { exact: true }).waitFor();
  assert.equal(await waiting.getByText("Follow the organisation").count(), 0);
  await closePanel(host);
});

step("two hosts must agree before anyone is let in", async () => {
  await member.page.goto(meeting.room.link);
  await knock(member, meeting.room.password);
  await waits(member);
  await peoplePanel(host, "Waiting");
  await button(host.page, `Let in ${MEMBER}`).click();
  const agreed = host.page.getByText("you agree; one more host must");
  await agreed.waitFor();
  await done(host, `You agree that ${MEMBER} comes in.`);
  await accessible(host, "two_hosts");
  await host.shoot("124-two-hosts");
});

step("the organisation takes the option back, and one host suffices again", async () => {
  const page = await host.context.newPage();
  await page.goto(meeting.server.origin);
  await button(page, "Organisation").click();
  await page.getByLabel("Two hosts must agree before anyone is let in").click();
  await until("the option", () => page.getByLabel("Two hosts must agree before anyone is let in").isChecked(), (on) => !on);
  await page.close();
  await button(host.page, `Let in ${MEMBER}`).click();
  await isIn(member);
});

step("where it holds, the word of the second host lets someone in", async () => {
  await focusPerson(host, MEMBER);
  await host.page.keyboard.press("3");
  await told(member, `${OWNER} made you a host.`);
  const page = await host.context.newPage();
  await page.goto(meeting.server.origin);
  await button(page, "Organisation").click();
  await page.getByLabel("Two hosts must agree before anyone is let in").click();
  await until("the option", () => page.getByLabel("Two hosts must agree before anyone is let in").isChecked(), Boolean);
  await page.close();
  await third.page.goto(meeting.room.link);
  await knock(third, meeting.room.password);
  await waits(third);
  await peoplePanel(host, "Waiting");
  await button(host.page, `Let in ${THIRD}`).click();
  await peoplePanel(member, "Waiting");
  await member.page.getByText(`${OWNER} agrees; one more host must`).waitFor();
  await button(member.page, `Let in ${THIRD}`).click();
  await isIn(third);
  assert.deepEqual([...host.complaints, ...member.complaints, ...third.complaints], []);
});
