// What comes late: after it was stopped, closed, left or asked for anew.

import { api, CallFailed, Conclave, own, type ChatView, type Me, type SpeechView } from "@conclave/sdk";
import { h } from "preact";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { fakeTrack, participant, ROOM, roomView, World, YOU, type FakeTrack } from "../../sdk/test/fakes";
import { account, loadAccount } from "../src/account";
import { Speech } from "../src/captions/speech";
import { Chat } from "../src/chat/model";
import { Preview } from "../src/devices/preview";
import { Meeting } from "../src/meeting/model";
import { ReturnPage } from "../src/pages/return";
import { Sessions } from "../src/pages/sessions";
import { SignIn } from "../src/pages/signin";
import { ProfileForm } from "../src/profile/form";
import { route } from "../src/route";
import { Confirm } from "../src/ui/dialog";
import { eachHasAPage, page, settled } from "./page";

vi.hoisted(() => {
  const nothing = () => undefined;
  vi.stubGlobal("localStorage", { getItem: () => null, setItem: nothing, removeItem: nothing });
});

const ME: Me = { kind: "account", id: "me", name: "A Member", picture: null, admin: false, may_create_rooms: false, second_factor: "not_asked" };

eachHasAPage();

/** Cameras that open when the test says so, in the order in which they were asked for. */
let opening: ((track: FakeTrack) => void)[];

beforeEach(() => {
  opening = [];
  vi.stubGlobal("MediaStream", class {});
  vi.stubGlobal("navigator", {
    mediaDevices: {
      addEventListener: () => undefined,
      removeEventListener: () => undefined,
      enumerateDevices: () => Promise.resolve(["a", "b"].map((deviceId) => ({ kind: "videoinput", deviceId, label: `Camera ${deviceId}` }))),
      getUserMedia: () => new Promise((done) => opening.push((track) => done({ getVideoTracks: () => [track], getAudioTracks: () => [track] }))),
    },
  });
});

afterEach(() => {
  account.value = undefined;
  route.value = { page: "home" };
});

test("a camera that opens after it was stopped does not stay on, and of two that are chosen the last one does", async () => {
  const [first, second, third, late] = ["1", "2", "3", "4"].map((id) => fakeTrack("video", id)) as [FakeTrack, FakeTrack, FakeTrack, FakeTrack];
  await page.show(h(Preview, { pickers: true }));
  await page.press("Check camera");
  opening[0]?.(first);
  await settled();
  await page.put("select", "b");
  await page.put("select", "a");
  opening[2]?.(third);
  await settled();
  opening[1]?.(second);
  await settled();
  expect([first.stopped, second.stopped, third.stopped]).toEqual([true, true, false]);
  await page.put("select", "b");
  await page.press("Stop camera");
  opening[3]?.(late);
  await settled();
  expect([third.stopped, late.stopped]).toEqual([true, true]);
  expect(page.text("button")).toContain("Check camera");
});

test("words that are written while others are being saved stay, and are saved on top of those", async () => {
  const saves: { words: string[]; revision: number; done: (stands: SpeechView) => void }[] = [];
  const stands = { languages: null, spoken: null, words: [], revision: 1 };
  vi.spyOn(api, "roomSpeech").mockResolvedValue(stands);
  vi.spyOn(api, "changeRoomSpeech").mockImplementation((_, { words, revision }) => new Promise((done) => saves.push({ words, revision, done })));
  await page.show(h(Speech, { room: "room" }));
  await page.put("textarea", "Ada");
  await page.submit();
  await page.put("textarea", "Ada\nBea");
  saves[0]?.done({ ...stands, words: ["Ada"], revision: 2 });
  await settled();
  expect(page.values("textarea")).toEqual(["Ada\nBea"]);
  expect(page.text("status")).toEqual([""]);
  await page.submit();
  expect(saves[1]).toMatchObject({ words: ["Ada", "Bea"], revision: 2 });
  saves[1]?.done({ ...stands, words: ["Ada", "Bea"], revision: 3 });
  await settled();
  expect(page.text("status")).toEqual(["Saved. A meeting that runs follows at once."]);
});

test("in the meeting too the camera that was chosen last is sent", async () => {
  const world = new World();
  const meeting = new Meeting(Conclave.join({ url: "wss://here/ws", room: ROOM }, world.environment));
  world.socket.open();
  world.socket.say({ type: "admitted", room: roomView(participant(YOU)), resume: "s", seq: 0 });
  const on = meeting.client.turnOn("camera", fakeTrack("video"));
  world.socket.answer("publish", "done");
  await on;
  const [older, newer] = [fakeTrack("video", "older"), fakeTrack("video", "newer")];
  const swaps = [meeting.swap("camera"), meeting.swap("camera")];
  await settled();
  opening[1]?.(newer);
  await settled();
  opening[0]?.(older);
  await Promise.all(swaps);
  expect([older.stopped, newer.stopped]).toEqual([true, false]);
  expect(meeting.client.state).toMatchObject({ local: { camera: newer } });
  meeting.dispose();
});

test("what was confirmed and is done late does not close the dialog that is open by then", async () => {
  let done: () => void = () => undefined;
  const closed = vi.fn();
  const dialog = (title: string) => h(Confirm, { key: title, title, text: "", confirm: "Do it", onConfirm: () => new Promise<void>((settle) => (done = settle)), onClose: closed });
  await page.show(dialog("First?"));
  await page.press("Do it");
  await page.show(dialog("Second?"));
  done();
  await settled();
  expect(closed).not.toHaveBeenCalled();
});

test("the browser's question for a passkey is over with the page that it was for", async () => {
  vi.spyOn(api, "ways").mockResolvedValue({ providers: [], passkeys: "example.org", reset: false });
  vi.stubGlobal("location", { hostname: "example.org", pathname: "/" });
  vi.stubGlobal("PublicKeyCredential", () => undefined);
  const asked = vi.spyOn(own, "signInByPasskey").mockReturnValue(new Promise(() => undefined));
  await page.show(h(SignIn, { submit: "Sign in" }));
  await page.press("Sign in with a passkey");
  await page.show(null);
  expect(asked.mock.calls[0]?.[0]?.aborted).toBe(true);
});

test("who went elsewhere while a provider's answer was looked at is not taken away from there", async () => {
  let come: () => void = () => undefined;
  vi.spyOn(api, "comeBack").mockReturnValue(new Promise((done) => (come = () => done({ next: "/account" } as Awaited<ReturnType<typeof api.comeBack>>))));
  vi.spyOn(api, "me").mockResolvedValue(ME);
  vi.stubGlobal("history", { pushState: () => undefined });
  await page.show(h(ReturnPage, { provider: "p", answer: "state=s&code=c" }));
  await page.show(null);
  come();
  await settled();
  expect(route.value).toEqual({ page: "home" });
});

test("who signs in while it is still asked who they are stays signed in", async () => {
  const answers: ((me: Me | null) => void)[] = [];
  vi.spyOn(api, "me").mockImplementation(() => new Promise((done) => answers.push(done)));
  const first = loadAccount();
  account.value = ME;
  answers[0]?.(null);
  await first;
  expect(account.value).toBe(ME);
  account.value = undefined;
  const [older, newer] = [loadAccount(), loadAccount()];
  answers[1]?.(null);
  answers[2]?.(ME);
  await Promise.all([older, newer]);
  expect(account.value).toBe(ME);
});

test("a search that was closed shows nothing later, and an older one not in place of the newer", async () => {
  const answers: ((messages: ChatView[]) => void)[] = [];
  const chatSearch = () => new Promise((done) => answers.push((messages) => done({ messages, more: false })));
  const chat = new Chat({ chatSearch } as unknown as Conclave, () => true);
  const searches = [chat.search("first"), chat.search("second")];
  answers[1]?.([]);
  answers[0]?.([]);
  await Promise.all(searches);
  expect(chat.found.value?.words).toBe("second");
  const late = chat.search("third");
  chat.endSearch();
  answers[2]?.([]);
  await late;
  expect(chat.found.value).toBeNull();
});

test("a list that is loaded again is not replaced by its earlier answer", async () => {
  const answers: ((names: string[]) => void)[] = [];
  const session = (device: string) => ({ id: device, device, this: false, began: 0, used: 0, place: null });
  vi.spyOn(own, "sessions").mockImplementation(() => new Promise((done) => answers.push((names) => done(names.map(session) as unknown as Awaited<ReturnType<typeof own.sessions>>))));
  vi.spyOn(own, "endOthers").mockRejectedValue(new CallFailed("unreachable", "Gone."));
  await page.show(h(Sessions, {}));
  await page.press("Sign out everywhere else");
  await page.press("Sign out");
  answers[1]?.(["Phone"]);
  await settled();
  answers[0]?.(["Phone", "Tablet"]);
  await settled();
  expect(page.text("columnheader").length).toBeGreaterThan(0);
  expect(page.text("rowheader").map((text) => text.slice(0, 5))).toEqual(["Phone"]);
});

test("a picture that was put away while another was on its way stays away", async () => {
  let come: (id: string) => void = () => undefined;
  vi.spyOn(api, "uploadPicture").mockReturnValue(new Promise((done) => (come = done)));
  vi.spyOn(api, "picture").mockReturnValue(new Promise(() => undefined));
  const kept = vi.fn().mockResolvedValue(undefined);
  await page.show(h(ProfileForm, { name: "Me", picture: "old", mayName: false, submit: "Keep", onSubmit: kept }));
  await page.upload(new File(["x"], "me.png"));
  await page.press("No picture");
  come("new");
  await settled();
  expect(page.text("button")).not.toContain("No picture");
});
