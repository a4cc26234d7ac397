// Providers in words.

import { expect, test } from "vitest";
import { checkedWords, newProviderId, redirectsOf, removalMeans, rulesInWords, wordsOf } from "../src/words/providers";

const NONE = { accounts: "linked" as const, required: [], creators: [], admins: [], second_factor: [] };

test("what a provider gives is said without its rules being known", () => {
  expect(rulesInWords(NONE)).toEqual(["Lets in everyone who has an account there", "Opens only accounts that were linked to it before"]);
  const rules = rulesInWords({
    accounts: "made",
    required: [{ claim: "hd", values: ["example.org"] }, { claim: "groups", values: ["staff", "guests", "press"] }],
    creators: [],
    admins: [{ claim: "groups", values: ["chiefs"] }],
    second_factor: [],
  });
  expect(rules).toEqual([
    "Lets in only those whose claim hd is or holds “example.org”, and whose claim groups is or holds “staff”, “guests” or “press”",
    "Makes an account for whoever comes the first time",
    "Administers the organisation: those whose claim groups is or holds “chiefs”",
  ]);
});

test("an identifier is 128 bits as the server writes them", () => {
  expect(newProviderId((bytes) => bytes.fill(0))).toBe("a".repeat(26));
  expect(newProviderId((bytes) => bytes.fill(255))).toBe(`${"7".repeat(25)}4`);
  expect(newProviderId()).toMatch(/^[a-z2-7]{26}$/u);
  expect(newProviderId()).not.toBe(newProviderId());
  expect(redirectsOf("x", ["https://a.example", "https://b.example"])).toEqual(["https://a.example/sign-in/x", "https://b.example/sign-in/x"]);
});

test("what came of a check is said, and an unknown reason too", () => {
  expect(checkedWords({ found: null, failure: "internal" }, "https://x")[0]).toMatch(/internal network/u);
  expect(checkedWords({ found: null, failure: "brand_new" }, "https://x")).toEqual(["It cannot be used."]);
  const found = { authorization_endpoint: "https://login.example.org/a", token_endpoint: "https://x/t", scopes: [], claims: ["groups"] };
  expect(checkedWords({ found, failure: null }, "https://x")).toEqual(["https://x answers. People sign in at login.example.org.", "It knows the claims groups."]);
});

test("a removal says whom it leaves without a way in", () => {
  expect(removalMeans({ linked: 0, only_way: 0 })).not.toMatch(/linked/u);
  expect(removalMeans({ linked: 3, only_way: 1 })).toMatch(/3 accounts linked with it opens nothing\. For one account it is the only way in\.$/u);
});

test("scopes are words however they are parted", () => {
  expect(wordsOf(" groups,  profile\n")).toEqual(["groups", "profile"]);
});
