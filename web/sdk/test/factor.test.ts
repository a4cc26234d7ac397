// A request that lacks the second factor: asked for once, and then made again.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { onFactorRequired, request } from "../src/request";

const LACKS = { code: "second_factor_required", text: "Show your second factor first." };

vi.mock("../src/key", () => ({ prove: () => Promise.resolve("proof") }));

let answers: Response[];
let sent: string[];

beforeEach(() => {
  sent = [];
  vi.stubGlobal("location", { origin: "https://meet.example.org" });
  vi.stubGlobal("fetch", (path: string, init: RequestInit) => {
    sent.push(`${String(init.method)} ${path} ${String(init.body)}`);
    const answer = answers.shift();
    return answer === undefined ? Promise.reject(new Error("nothing left")) : Promise.resolve(answer);
  });
});

afterEach(() => vi.unstubAllGlobals());

function refusal(): Response {
  return Response.json(LACKS, { status: 403 });
}

test("once it was shown what was wanted is done", async () => {
  answers = [refusal(), Response.json({ locked: true })];
  onFactorRequired(() => () => Promise.resolve(true));
  expect(await request("PATCH", "/api/x", { on: true })).toEqual({ locked: true });
  expect(sent).toEqual(['PATCH /api/x {"on":true}', 'PATCH /api/x {"on":true}']);
});

test("called off, or asked for again, it is refused", async () => {
  answers = [refusal()];
  onFactorRequired(() => () => Promise.resolve(false));
  await expect(request("PATCH", "/api/x", {})).rejects.toMatchObject({ code: LACKS.code });
  expect(sent.length).toBe(1);
  let times = 0;
  answers = [refusal(), refusal()];
  onFactorRequired(() => () => {
    times += 1;
    return Promise.resolve(true);
  });
  await expect(request("PATCH", "/api/x", {})).rejects.toMatchObject({ code: LACKS.code });
  expect([times, sent.length]).toEqual([1, 3]);
});

test("another refusal asks for nothing", async () => {
  let times = 0;
  onFactorRequired(() => () => {
    times += 1;
    return Promise.resolve(true);
  });
  answers = [Response.json({ code: "not_allowed", text: "No." }, { status: 403 })];
  await expect(request("GET", "/api/x")).rejects.toMatchObject({ code: "not_allowed" });
  expect(times).toBe(0);
});
