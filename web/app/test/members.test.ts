// Members in words.

import { expect, test } from "vitest";
import { changeMeans, rolesOf, waysIn } from "../src/words/members";

const named = (provider: string) => (provider === "company" ? "Company" : "a provider that is gone");

test("how someone signs in is one sentence, and a password beside a passkey opens nothing alone", () => {
  expect(waysIn({ password: true, passkeys: 0, providers: [] }, named)).toBe("Signs in with a password");
  expect(waysIn({ password: true, passkeys: 2, providers: ["company"] }, named)).toBe("Signs in with 2 passkeys, a password with a passkey beside it or Company");
  expect(waysIn({ password: false, passkeys: 0, providers: ["old"] }, named)).toBe("Signs in with a provider that is gone");
  expect(waysIn({ password: false, passkeys: 0, providers: [] }, named)).toBe("Has no way in");
});

test("an administrator is called one once, whatever makes them one", () => {
  expect(rolesOf({ admin: true, admin_by_provider: true, may_create_rooms: true })).toEqual(["administrator", "may create rooms"]);
  expect(rolesOf({ admin: false, admin_by_provider: true, may_create_rooms: false })).toEqual(["administrator by a provider"]);
});

test("a change says what follows, and to whom", () => {
  expect(changeMeans({ admin: false }, false, false)).toBeNull();
  expect(changeMeans({ admin: true }, false, true)).toMatch(/^You are signed out/u);
  expect(changeMeans({ admin: true }, false, false)).toMatch(/^They are signed out/u);
});
