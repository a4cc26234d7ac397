// The room's chat: hosts write and everyone reads until a host opens it; what was written before someone came in is not theirs;
// what looks like a link is text; deleted is deleted for all.

import assert from "node:assert/strict";
import { after, before } from "node:test";
import { accessible, fits } from "../axe.js";
import type { Seat } from "../browser.js";
import { story } from "../chapter.js";
import { opening, type Opening } from "../opening.js";
import { button, chatPanel, closePanel, isIn, knock, setSetting, told, tool, waits, write } from "../steps.js";

const OWNER = "Room Owner";
const MEMBER = "Second Member";
const LINK = "See https://example.org/agenda and <b>bring</b> your notes";

let meeting: Opening<"host" | "member">;
let host: Seat;
let member: Seat;

const step = story(() => ({ host, member }));

before(async () => {
  meeting = await opening({ host: OWNER, member: MEMBER }, { stage: "entered" });
  ({ host, member } = meeting.seats);
});

after(() => meeting?.close());

step("an empty chat says what it is for", async () => {
  const panel = await chatPanel(host);
  await panel.getByText("Nothing has been written yet.").waitFor();
  await accessible(host, "chat_empty");
  await host.shoot("100-chat-empty");
  await write(host, "For hosts only, before anyone came in");
  await panel.getByRole("log").getByText("For hosts only").waitFor();
});

step("whoever comes in reads from their own entry on, and is told why they cannot write", async () => {
  await member.page.goto(meeting.room.link);
  await knock(member, meeting.room.password);
  await waits(member);
  await button(host.page, "Let in").click();
  await isIn(member);
  await write(host, LINK);
  await told(member, `${OWNER} wrote in the chat.`);
  await tool(member, "Chat, 1 unread").click();
  const panel = await chatPanel(member);
  await panel.getByText(LINK).waitFor();
  assert.equal(await panel.getByText("For hosts only").count(), 0);
  assert.equal(await panel.locator("a, b").count(), 0);
  await panel.getByText("In this room hosts write and everyone reads.").waitFor();
  await tool(member, "Chat").waitFor();
  await accessible(member, "chat_read_only");
  await fits(member, "chat_read_only");
  await member.shootDark("101-chat-read-only");
});

step("a host opens the chat, and the place to write appears", async () => {
  await setSetting(host, "Room chat", "Everyone writes");
  await write(member, "May I ask something?\nIt has two lines.");
  const panel = await chatPanel(host);
  await panel.getByRole("log").getByText("May I ask something?").waitFor();
  for (let number = 1; number <= 3; number += 1) await write(host, `Answer number ${number}`);
  await host.shootDark("102-chat");
  await accessible(host, "chat");
  await fits(host, "chat");
});

step("words are found, and a message is deleted for everyone", async () => {
  const panel = await chatPanel(host);
  await button(panel, "Search").click();
  await panel.getByLabel("Search the chat").fill("question something");
  await host.page.keyboard.press("Enter");
  await panel.getByText("No message with").waitFor();
  await panel.getByLabel("Search the chat").fill("SOMETHING ask");
  await host.page.keyboard.press("Enter");
  await panel.getByText("1 with").waitFor();
  await accessible(host, "chat_search");
  await host.shoot("103-chat-found");
  await button(panel, "Back to the messages").click();
  await panel.getByText("May I ask something?").hover();
  await button(panel, /^Delete the message of Second Member/u).click();
  for (const seat of [host, member]) await (await chatPanel(seat)).getByText("This message was deleted.").waitFor();
  assert.equal(await member.page.getByText("May I ask something?").count(), 0);
});

step("a page that was loaded anew reads back what its person may read, and a message sent twice is one", async () => {
  const twice = { type: "chat", text: "Once and no more", ref: "once" };
  await host.page.evaluate(async (request) => [await window.wire.request(request), await window.wire.request(request)], twice);
  await member.page.reload();
  await isIn(member);
  const panel = await chatPanel(member);
  await panel.getByText("Once and no more").waitFor();
  assert.equal(await panel.getByText("Once and no more").count(), 1);
  await panel.getByText(LINK).waitFor();
  assert.equal(await panel.getByText("For hosts only").count(), 0);
  await Promise.all([closePanel(host), closePanel(member)]);
  assert.deepEqual([...host.complaints, ...member.complaints], []);
});
