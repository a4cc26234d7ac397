// What a host reads of the token of a stream, and when it can still be taken back.

import { expect, test } from "vitest";
import { routeOf } from "../src/route";
import { tokenStanding } from "../src/words/streams";

const NOW = 1_000;

test("a token that was used can be taken back even when it is over: its stream may be in", () => {
  expect(tokenStanding({ expires: 500, used: 400, revoked: null }, NOW)).toMatchObject({ words: "used", mayRevoke: true });
  expect(tokenStanding({ expires: 500, used: null, revoked: null }, NOW)).toMatchObject({ words: "over", mayRevoke: false });
  expect(tokenStanding({ expires: 5_000, used: null, revoked: null }, NOW)).toMatchObject({ words: "not used yet", mayRevoke: true });
  expect(tokenStanding({ expires: 5_000, used: 400, revoked: 600 }, NOW)).toMatchObject({ words: "taken back", mayRevoke: false });
});

test("streams have a page of their own beside the guest links", () => {
  const room = "a".repeat(26);
  expect(routeOf(`/r/${room}/streams`, "")).toEqual({ page: "manage", room, part: "streams" });
});
