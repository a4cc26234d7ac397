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

    const before = { down: await picture(member), up: await picture(host) };
    await new Promise((resume) => setTimeout(resume, WATCH_S * 1_000));
    for (const [way, seat] of [["down", member], ["up", host]] as const) {
      const [first, last] = [before[way], await picture(seat)];
      assert.ok(first !== undefined && last !== undefined && first.mid === last.mid, `${way}: the slot changed`);
      const frozen = last.frozen - first.frozen;
      figure(`e2e.loss.${way}.freezes`, last.freezes - first.freezes, "count");
      figure(`e2e.loss.${way}.frozen_a_minute`, (frozen * 60) / WATCH_S, "s");
      figure(`e2e.loss.${way}.frames_a_second`, (last.frames - first.frames) / WATCH_S, "fps");
      assert.ok((frozen * 60) / WATCH_S <= FROZEN_S, `${way}: stood still for ${frozen} s of ${WATCH_S}`);
    }
    const lost = await member.page.evaluate(() => window.media.lost());
    figure("e2e.loss.lost", lost * 100, "percent");
    assert.ok(lost > 0.04, "nothing was lost: the story shows nothing");
  } finally {
    await meeting.close();
  }
}

/** The other person's camera as it comes. */
async function picture(seat: Seat): Promise<Inbound | undefined> {
  const lines = await seat.page.evaluate(() => window.media.inbound());
  return lines.find((line) => line.source === "camera");
}
