// A real browser behind a line that loses one packet in ten, both ways: pictures stand still for at most two seconds of a minute, and
// the voice goes on.

import assert from "node:assert/strict";
import { test } from "node:test";
import { until, type Seat } from "../browser.js";
import { figure } from "../figures.js";
import { inLossyNetwork, LOSSY_PORT } from "../netns.js";
import { opening } from "../opening.js";
import type { Inbound } from "../probe.js";
import { turn } from "../steps.js";

const PERCENT = 10;
const WATCH_S = Number(process.env["E2E_LOSS_SECONDS"] ?? 25);
const LOOKS = 4;
/** Of a minute. */
const FROZEN_S = 2;

const inside = inLossyNetwork(import.meta.url, PERCENT);
if (inside === true) test("one packet in ten is lost and the meeting goes on", lossy);
else test("in a network of its own", () => assert.equal(inside, 0));

async function lossy(): Promise<void> {
  const meeting = await opening({ host: "Room Owner", member: "Second Member" }, { stage: "in", relay: { who: "member", port: LOSSY_PORT } });
  const { host, member } = meeting.seats;
  try {
    for (const seat of [host, member]) for (const source of ["Microphone", "Camera"] as const) await turn(seat, source, true);
    await until("pictures through the loss", () => picture(member), (line) => (line?.frames ?? 0) > 30);
    await until("the member's pictures", () => picture(host), (line) => (line?.frames ?? 0) > 30);

    // A machine that has no time for its browsers lets pictures stand still too: a later look counts when that came in between, and
    // without repair none would pass.
    const looks = ([["down", member], ["up", host]] as const).map(async ([way, seat]) => {
      let look = await watch(seat);
      for (let more = 1; more < LOOKS && look.frozenAMinute > FROZEN_S; more += 1) look = await watch(seat);
      figure(`e2e.loss.${way}.freezes`, look.freezes, "count");
      figure(`e2e.loss.${way}.frozen_a_minute`, look.frozenAMinute, "s");
      figure(`e2e.loss.${way}.frames_a_second`, look.framesASecond, "fps");
      assert.ok(look.frozenAMinute <= FROZEN_S, `${way}: stood still for ${look.frozenAMinute} s of a minute`);
    });
    await Promise.all(looks);
    const lost = await member.page.evaluate(() => window.media.lost());
    figure("e2e.loss.lost", lost * 100, "percent");
    assert.ok(lost > 0.04, "nothing was lost: the story shows nothing");
  } finally {
    await meeting.close();
  }
}

interface Look {
  readonly freezes: number;
  readonly frozenAMinute: number;
  readonly framesASecond: number;
}

/** How the other person's camera comes for a while. */
async function watch(seat: Seat): Promise<Look> {
  const first = await picture(seat);
  await new Promise((resume) => setTimeout(resume, WATCH_S * 1_000));
  const last = await picture(seat);
  assert.ok(first !== undefined && last !== undefined && first.mid === last.mid, "the slot changed");
  return {
    freezes: last.freezes - first.freezes,
    frozenAMinute: ((last.frozen - first.frozen) * 60) / WATCH_S,
    framesASecond: (last.frames - first.frames) / WATCH_S,
  };
}

/** The other person's camera as it comes. */
async function picture(seat: Seat): Promise<Inbound | undefined> {
  const lines = await seat.page.evaluate(() => window.media.inbound());
  return lines.find((line) => line.source === "camera");
}
