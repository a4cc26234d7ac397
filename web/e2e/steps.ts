// What people do in the stories, by the names that the page gives its fields and buttons.

import type { Locator, Page } from "playwright-core";
import type { Seat } from "./browser.js";

export const PASSWORD = "correct horse battery staple";

export interface RoomKeys {
  id: string;
  link: string;
  password: string;
}

export function button(place: Page | Locator, name: string | RegExp): Locator {
  return place.getByRole("button", { name, exact: typeof name === "string" });
}

export async function makeAccount(seat: Seat, link: string, name: string, email: string): Promise<void> {
  await seat.page.goto(link);
  await fillAccount(seat, name, email);
}

export async function fillAccount(seat: Seat, name: string, email: string): Promise<void> {
  const { page } = seat;
  await page.getByLabel("Your name").fill(name);
  await page.getByLabel("E-mail").fill(email);
  await page.getByLabel("Choose a password").fill(PASSWORD);
  await button(page, "Make my account").click();
  await page.getByRole("heading", { name: "Your rooms" }).waitFor();
}

export async function makeRoom(seat: Seat, title: string): Promise<RoomKeys> {
  const { page } = seat;
  await button(page, "New room").click();
  await page.getByLabel("Title").fill(title);
  await button(page, "Create room").click();
  const link = (await page.getByLabel("Invitation link", { exact: true }).innerText()).trim();
  const password = (await page.getByLabel("Room password", { exact: true }).getAttribute("data-value")) ?? "";
  return { id: new URL(link).pathname.replace("/r/", ""), link, password };
}

export async function inviteMember(seat: Seat): Promise<string> {
  const { page } = seat;
  await button(page, "Invite a member").click();
  await button(page, "Make the link").click();
  const link = (await page.getByLabel("Member link", { exact: true }).innerText()).trim();
  await button(page, "Done").click();
  return link;
}

export async function knock(seat: Seat, password: string): Promise<void> {
  await seat.page.getByLabel("Room password").fill(password);
  await button(seat.page, "Ask to come in").click();
}

export async function waits(seat: Seat): Promise<void> {
  await seat.page.getByRole("heading", { name: "A host will decide" }).waitFor();
}

export async function isIn(seat: Seat): Promise<void> {
  await tool(seat, "Leave").waitFor();
}

/** The owner goes into the own room. */
export async function enter(seat: Seat, link: string): Promise<void> {
  await seat.page.goto(link);
  await button(seat.page, "Ask to come in").click();
  await isIn(seat);
}

export function tool(seat: Seat, name: string | RegExp): Locator {
  return button(seat.page.getByRole("toolbar"), typeof name === "string" ? name.replace("Microphone", "Mic") : name);
}

export async function turn(seat: Seat, name: "Microphone" | "Camera" | "Share screen", on: boolean): Promise<void> {
  const one = tool(seat, name);
  // While an earlier press is under way the button does nothing.
  await one.and(seat.page.locator(`[aria-pressed="${String(!on)}"][aria-busy="false"]`)).click();
  await one.and(seat.page.locator(`[aria-pressed="${String(on)}"]`)).waitFor();
}

/** Opens the people panel at a tab; the tabs are for hosts. */
export async function peoplePanel(seat: Seat, tab: "In the room" | "Waiting" | "Changes"): Promise<Locator> {
  const panel = seat.page.getByRole("complementary", { name: "People" });
  if (!(await panel.isVisible())) await tool(seat, /^People/u).click();
  await panel.waitFor();
  const one = panel.getByRole("tab", { name: new RegExp(`^${tab}`, "u") });
  if (await one.isVisible()) await one.click();
  return panel;
}

/** Opens the people panel at one person, and gives the options. */
export async function options(seat: Seat, name: string): Promise<Locator> {
  const { page } = seat;
  const panel = page.getByRole("complementary", { name: "People" });
  await peoplePanel(seat, "In the room");
  const open = button(panel, `Options for ${name}`);
  if ((await open.getAttribute("aria-expanded")) !== "true") await open.click();
  return panel.getByRole("group", { name: `Options for ${name}` });
}

export async function openRoomPanel(seat: Seat, tab: "Controls" | "Invite" | "Quality" | "Settings" | "Audit" = "Controls"): Promise<Locator> {
  const panel = seat.page.getByRole("complementary", { name: "Room" });
  if (!(await panel.isVisible())) await tool(seat, "Room").click();
  await panel.waitFor();
  const one = panel.getByRole("tab", { name: tab });
  if (await one.isVisible()) await one.click();
  return panel;
}

/** Changes a setting in the room panel; a relaxation is confirmed after its effect was shown. */
export async function setSetting(seat: Seat, label: string, value: string, relaxes = true): Promise<void> {
  const panel = await openRoomPanel(seat, "Settings");
  await panel.getByLabel(label, { exact: true }).selectOption({ label: value });
  if (relaxes) await button(seat.page.getByRole("dialog", { name: `Relax “${label}”?` }), "Relax it").click();
}

export async function closePanel(seat: Seat): Promise<void> {
  const close = button(seat.page, "Close panel");
  if (await close.isVisible()) await close.click();
}

/** A notice with these words is shown. */
export async function told(seat: Seat, words: string | RegExp): Promise<void> {
  await seat.page.getByRole("status", { name: "Notices" }).getByText(words).waitFor();
}

/** An own act is said to those who listen. */
export async function done(seat: Seat, words: string | RegExp): Promise<void> {
  await seat.page.getByRole("status", { name: "What was done" }).getByText(words).waitFor({ state: "attached" });
}

/** The focus on one person of the people panel, as the arrow keys bring it there. */
export async function focusPerson(seat: Seat, name: string): Promise<void> {
  const panel = await peoplePanel(seat, "In the room");
  await button(panel, `Options for ${name}`).focus();
}

export async function chatPanel(seat: Seat): Promise<Locator> {
  const panel = seat.page.getByRole("complementary", { name: "Chat" });
  if (!(await panel.isVisible())) await tool(seat, /^Chat/u).click();
  await panel.waitFor();
  return panel;
}

/** Writes to everyone in the room, and waits until it is said to be written. */
export async function write(seat: Seat, text: string): Promise<void> {
  const panel = await chatPanel(seat);
  await panel.getByLabel("Message to everyone in the room").fill(text);
  await seat.page.keyboard.press("Enter");
  await panel.getByRole("log").getByText(text.split("\n")[0] ?? "").first().waitFor();
}
