// A session that is over is renewed once, however many requests notice it, and whenever they do.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { request } from "../src/request";

vi.mock("../src/key", () => ({ prove: () => Promise.resolve("proof") }));

const RENEW = "/api/session/renew";

let sent: string[];
/** What waits for its answer, by path. */
let open: Map<string, (answer: Response) => void>;

beforeEach(() => {
  sent = [];
  open = new Map();
  vi.stubGlobal("location", { origin: "https://meet.example.org" });
  vi.stubGlobal("fetch", (path: string) => {
    sent.push(path);
    return new Promise<Response>((resolve) => open.set(path, resolve));
  });
});

afterEach(() => vi.unstubAllGlobals());

async function answer(path: string, response: Response): Promise<void> {
  const resolve = await vi.waitUntil(() => open.get(path));
  open.delete(path);
  resolve(response);
}

function over(): Response {
  return Response.json({ code: "signed_out", text: "Sign in to go on." }, { status: 401 });
}

test("who hears late that it was over goes on with what was renewed meanwhile", async () => {
  const [one, other] = [request("GET", "/api/one"), request("GET", "/api/other")];
  await answer("/api/one", over());
  await answer(RENEW, Response.json({}));
  await answer("/api/one", Response.json({ one: 1 }));
  expect(await one).toEqual({ one: 1 });
  await answer("/api/other", over());
  await answer("/api/other", Response.json({ other: 2 }));
  expect(await other).toEqual({ other: 2 });
  expect(sent).toEqual(["/api/one", "/api/other", RENEW, "/api/one", "/api/other"]);
});

test("who hears so late that what was renewed is over as well renews it once more", async () => {
  const [one, other] = [request("GET", "/api/one"), request("GET", "/api/other")];
  await answer("/api/one", over());
  await answer(RENEW, Response.json({}));
  await answer("/api/one", Response.json(1));
  await one;
  await answer("/api/other", over());
  await answer("/api/other", over());
  await answer(RENEW, Response.json({}));
  await answer("/api/other", Response.json({ other: 2 }));
  expect(await other).toEqual({ other: 2 });
});

test("the answer to a renewal is not left open, and one that broke off renews all the same", async () => {
  for (const cancel of [() => Promise.resolve(), () => Promise.reject(new TypeError("terminated"))]) {
    const cancelled = vi.fn(cancel);
    const one = request("GET", "/api/one");
    await answer("/api/one", over());
    await answer(RENEW, new Response(new ReadableStream({ cancel: cancelled })));
    await answer("/api/one", Response.json(1));
    expect(await one).toBe(1);
    expect(cancelled).toHaveBeenCalledOnce();
  }
});

test("what ends again is renewed again, and a renewal that is refused is tried by the next request", async () => {
  const first = request("GET", "/api/one");
  await answer("/api/one", over());
  await answer(RENEW, over());
  await expect(first).rejects.toMatchObject({ code: "signed_out" });
  for (const round of [1, 2]) {
    const next = request("GET", "/api/one");
    await answer("/api/one", over());
    await answer(RENEW, Response.json({}));
    await answer("/api/one", Response.json({ round }));
    expect(await next).toEqual({ round });
  }
  expect(sent.filter((path) => path === RENEW).length).toBe(3);
});

test("those who hear it together renew it together", async () => {
  const both = [request("GET", "/api/one"), request("GET", "/api/other")];
  await answer("/api/one", over());
  await answer("/api/other", over());
  await answer(RENEW, Response.json({}));
  await answer("/api/one", Response.json(1));
  await answer("/api/other", Response.json(2));
  expect(await Promise.all(both)).toEqual([1, 2]);
  expect(sent.filter((path) => path === RENEW).length).toBe(1);
});
