// Somebody copies all that a browser stores of a session. It is worth nothing to them, and its owner is told.

import assert from "node:assert/strict";
import { after, before } from "node:test";
import { accessible } from "../axe.js";
import { Seat, until } from "../browser.js";
import { story } from "../chapter.js";
import { figure } from "../figures.js";
import { opening, type Opening } from "../opening.js";
import { button, isIn, told } from "../steps.js";

const OWNER = "Room Owner";
const MEMBER = "Second Member";

let meeting: Opening<"host" | "member">;
let host: Seat;
let thief: Seat;
let token = "";

const step = story(() => ({ host, thief }));

before(async () => {
  meeting = await opening({ host: OWNER, member: MEMBER }, { stage: "entered" });
  ({ host } = meeting.seats);
  thief = meeting.seats.member;
  // Of the thief's own nothing is left.
  await thief.context.clearCookies();
});

after(() => meeting?.close());

step("all that can be copied is copied, and the start page knows nobody", async () => {
  const cookies = await host.context.cookies();
  token = cookies.find(({ name }) => name === "__Host-conclave")?.value ?? "";
  assert.notEqual(token, "");
  const stored = await host.page.evaluate(() => [Object.entries(localStorage), Object.entries(sessionStorage)]);
  const readable = await host.page.evaluate(
    () =>
      new Promise<boolean>((found, failed) => {
        const opened = indexedDB.open("conclave");
        opened.onerror = () => failed(opened.error);
        opened.onsuccess = () => {
          const asked = opened.result.transaction("keys").objectStore("keys").get("session");
          asked.onsuccess = () => {
            const key = (asked.result as CryptoKeyPair).privateKey;
            crypto.subtle.exportKey("jwk", key).then(
              () => found(true),
              () => found(false),
            );
          };
        };
      }),
  );
  assert.equal(readable, false, "the key can be read out");
  await thief.context.addCookies(cookies);
  await thief.page.goto(meeting.server.origin);
  await thief.page.evaluate(([local, session]) => {
    for (const [key, value] of local ?? []) localStorage.setItem(key, value);
    for (const [key, value] of session ?? []) sessionStorage.setItem(key, value);
  }, stored);
  await thief.page.reload();
  await thief.page.getByRole("heading", { name: "Sign in" }).waitFor();
});

step("neither HTTP nor the WebSocket nor WHIP takes the copy", async () => {
  const statuses = await thief.page.evaluate(
    async (bearer) => {
      const asked = [
        fetch("/api/me"),
        fetch("/api/rooms"),
        fetch("/api/session", { method: "DELETE" }),
        fetch("/whip", { method: "POST", headers: { Authorization: `Bearer ${bearer}`, "Content-Type": "application/sdp" }, body: "v=0" }),
        fetch("/whip", { method: "POST", headers: { Authorization: `DPoP ${bearer}`, "Content-Type": "application/sdp" }, body: "v=0" }),
      ];
      return (await Promise.all(asked)).map(({ status }) => status);
    },
    token,
  );
  assert.deepEqual(statuses, [401, 401, 401, 401, 401]);
  const said = await thief.page.evaluate(
    (room) =>
      new Promise<{ messages: string[]; code: number }>((ended) => {
        const socket = new WebSocket(`wss://${location.host}/ws`, "conclave.v1");
        const messages: string[] = [];
        socket.onmessage = (message: MessageEvent<string>) => {
          const { type } = JSON.parse(message.data) as { type: string };
          messages.push(type);
          if (type === "challenge") socket.send(JSON.stringify({ id: 1, request: { type: "join", room } }));
        };
        socket.onclose = ({ code }) => ended({ messages, code });
      }),
    new URL(meeting.room.link).pathname.split("/").at(-1) ?? "",
  );
  assert.deepEqual(said, { messages: ["challenge", "closed"], code: 4003 });
  figure("t01.copied_session.refused", statuses.length + 1, "requests");
});

step("the owner goes on, and is told in the meeting and on every page", async () => {
  await told(host, /showed a copy of your session/u);
  await host.shoot("95-copied-in-meeting");
  await host.page.reload();
  await isIn(host);
  await button(host.page, "Leave").click();
  await host.page.goto(meeting.server.origin);
  const notice = host.page.getByRole("alert", { name: "Your session was copied" });
  await notice.getByText(/It happened \d+ times/u).waitFor();
  await accessible(host, "copied");
  await host.shootDark("96-copied");
  await button(notice, "I have read it").click();
  await until("the notice to go", () => notice.count(), (count) => count === 0);
  await host.page.reload();
  await host.page.getByRole("heading", { name: "Your rooms" }).waitFor();
  assert.equal(await notice.count(), 0);
});
