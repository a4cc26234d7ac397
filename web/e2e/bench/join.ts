// `join.first_media`: a person goes into a room in which someone is seen already. From the opening of the page's WebSocket to the
// first frame that a decoder of that page gives out, in a real browser, everything on this machine. The ratio is to two bare
// peer connections in one page, which have no server, no door and no signalling between them.

import { opening } from "../opening.js";
import { button, isIn, knock, tool, turn } from "../steps.js";
import { installClock, type Times } from "./clock.js";

const ROUNDS = 15;
/** A publisher is asked for a key frame at most once a second; a person who joins later than that waits for none. */
const BETWEEN_MS = 1_500;
const PATIENCE_MS = 20_000;

const { seats, room, close } = await opening({ host: "Room Owner", viewer: "Second Member" }, { stage: "entered" });
try {
  const { host, viewer } = seats;
  await viewer.context.addInitScript(installClock);
  await host.page.evaluate(() => window.wire.request({ type: "set_setting", key: "waiting_room", value: "nobody" }));
  await turn(host, "Camera", true);

  await viewer.page.goto(room.link);
  const ways: Times[] = [];
  const bare: number[] = [];
  // The first time fills the caches of the browser and counts for nothing.
  for (let round = 0; round <= ROUNDS; round += 1) {
    await knock(viewer, room.password);
    await isIn(viewer);
    const times = await soon(viewer.page.evaluate(() => window.clock.arrived));
    await tool(viewer, "Leave").click();
    await button(viewer.page, "Go back in").click();
    const pair = await soon(viewer.page.evaluate(() => window.clock.bare()));
    if (round > 0) {
      ways.push(times);
      bare.push(pair);
    }
    await new Promise((resume) => setTimeout(resume, BETWEEN_MS));
  }
  const media = ways.map((times) => times.media);
  const base = median(bare);
  console.log(`# join.first_media: ${ROUNDS} ways into a room with one camera; two bare peer connections take ${base.toFixed(0)} ms`);
  console.log(`# join.first_media: all of them in ms: ${media.map((value) => value.toFixed(0)).join(" ")}`);
  print("join.socket_open", median(ways.map((times) => times.opening)));
  print("join.first_media", median(media), ` ratio=${(median(media) / base).toFixed(2)}`);
} finally {
  await close();
}

function print(name: string, value: number, ratio = ""): void {
  console.log(`figure ${name} ${value.toPrecision(3)} ms${ratio}`);
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

async function soon<Value>(wanted: Promise<Value>): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, failed) => {
    timer = setTimeout(() => failed(new Error(`no frame came within ${PATIENCE_MS} ms`)), PATIENCE_MS);
  });
  try {
    return await Promise.race([wanted, late]);
  } finally {
    clearTimeout(timer);
  }
}
