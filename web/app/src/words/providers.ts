// Providers and their rules in words. Pure.

import type { IssuerChecked, Provider, ProviderRule } from "@conclave/sdk";

export type RuleKind = "required" | "creators" | "admins" | "second_factor";

/** What each kind of rule is for. */
export const RULES: Readonly<Record<RuleKind, { title: string; hint: string }>> = {
  required: { title: "Who is let in", hint: "All of these must hold. Without any, everyone who has an account there is." },
  creators: { title: "Who may create rooms", hint: "Any of these gives the right, while they come by this provider." },
  admins: { title: "Who administers the organisation", hint: "Any of these makes an administrator, while they come by this provider." },
  second_factor: { title: "Who showed a second factor", hint: "Any of these says so, such as the claim amr with the value mfa." },
};

const KINDS: Readonly<Record<Provider["kind"], string>> = { openid: "OpenID Connect", google: "Google", facebook: "Facebook" };

export function kindWords(kind: Provider["kind"]): string {
  return KINDS[kind];
}

/** What the rules of a provider mean, a sentence each. */
export function rulesInWords(provider: Pick<Provider, "accounts" | RuleKind>): string[] {
  const said = [
    provider.required.length === 0 ? "Lets in everyone who has an account there" : `Lets in only those whose ${provider.required.map(ruleWords).join(", and whose ")}`,
    provider.accounts === "linked" ? "Opens only accounts that were linked to it before" : "Makes an account for whoever comes the first time",
  ];
  if (provider.creators.length > 0) said.push(`May create rooms: those whose ${provider.creators.map(ruleWords).join(", or whose ")}`);
  if (provider.admins.length > 0) said.push(`Administers the organisation: those whose ${provider.admins.map(ruleWords).join(", or whose ")}`);
  if (provider.second_factor.length > 0) said.push(`Showed a second factor: those whose ${provider.second_factor.map(ruleWords).join(", or whose ")}`);
  return said;
}

function ruleWords(rule: ProviderRule): string {
  const values = rule.values.map((value) => `“${value}”`);
  const last = values.pop() ?? "";
  return `claim ${rule.claim} is or holds ${values.length === 0 ? last : `${values.join(", ")} or ${last}`}`;
}

export function removalMeans(provider: { linked: number; only_way: number }): string {
  const said = ["Nobody signs in with it any more. Whoever came by it is signed out at once and leaves every meeting."];
  if (provider.linked > 0) said.push(provider.linked === 1 ? "What one account linked with it opens nothing." : `What ${provider.linked} accounts linked with it opens nothing.`);
  if (provider.only_way > 0) said.push(provider.only_way === 1 ? "For one account it is the only way in." : `For ${provider.only_way} accounts it is the only way in.`);
  return said.join(" ");
}

const FAILURES: Readonly<Record<string, string>> = {
  address: "That address cannot be asked.",
  internal: "That address leads to an internal network. Only the operator of this server can allow it.",
  unreachable: "No answer: no connection, or not in time, or not with a certificate that this server trusts.",
  too_large: "The answer was too large.",
  redirect: "The answer leads elsewhere; redirects are not followed. Use the address at which the provider itself answers.",
  no_discovery: "There is an answer, but no discovery document.",
  other_issuer: "The document is of another issuer. The issuer must be the same to the letter.",
  bad_endpoints: "The provider names addresses that are not plain HTTPS.",
  no_challenge: "The provider does not take S256 challenges (PKCE), without which nobody signs in here.",
};

/** What came of asking an issuer. */
export function checkedWords(checked: IssuerChecked, issuer: string): string[] {
  const { found } = checked;
  if (found === null) return [FAILURES[checked.failure ?? ""] ?? "It cannot be used."];
  const said = [`${issuer} answers. People sign in at ${hostOf(found.authorization_endpoint)}.`];
  if (found.claims.length > 0) said.push(`It knows the claims ${found.claims.join(", ")}.`);
  if (found.scopes.length > 0) said.push(`It knows the scopes ${found.scopes.join(", ")}.`);
  return said;
}

function hostOf(address: string): string {
  return URL.canParse(address) ? new URL(address).host : address;
}

/** Words with spaces or commas between them. */
export function wordsOf(text: string): string[] {
  return text.split(/[\s,]+/u).filter((word) => word !== "");
}

const LETTERS = "abcdefghijklmnopqrstuvwxyz234567";

/** 128 random bits as the server writes them: 26 letters, the last of which stands for three bits. */
export function newProviderId(random: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array = (bytes) => crypto.getRandomValues(bytes)): string {
  const bits = [...random(new Uint8Array(16))].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  const fives = bits.padEnd(130, "0").match(/.{5}/gu) ?? [];
  return fives.map((five) => LETTERS[Number.parseInt(five, 2)]).join("");
}

/** Where a provider sends people back to. */
export function redirectsOf(id: string, origins: readonly string[]): string[] {
  return origins.map((origin) => `${origin}/sign-in/${id}`);
}
