// Members in words. Pure.

import type { Member, MemberWays } from "@conclave/sdk";

/** What a member may do, each in a badge; nothing for whoever only comes to the rooms of others. */
export function rolesOf(member: Pick<Member, "admin" | "admin_by_provider" | "may_create_rooms">): string[] {
  const roles: string[] = [];
  if (member.admin) roles.push("administrator");
  if (member.admin_by_provider && !member.admin) roles.push("administrator by a provider");
  if (member.may_create_rooms) roles.push("may create rooms");
  return roles;
}

/** How they sign in, in one sentence. `named` gives what stands on a provider's button. */
export function waysIn(ways: Pick<MemberWays, "password" | "passkeys" | "providers">, named: (provider: string) => string): string {
  const said: string[] = [];
  // With a passkey the password alone opens nothing any more.
  if (ways.passkeys > 0) said.push(ways.passkeys === 1 ? "a passkey" : `${ways.passkeys} passkeys`);
  if (ways.password) said.push(ways.passkeys > 0 ? "a password with a passkey beside it" : "a password");
  said.push(...ways.providers.map(named));
  if (said.length === 0) return "Has no way in";
  const last = said.pop() ?? "";
  return `Signs in with ${said.length === 0 ? last : `${said.join(", ")} or ${last}`}`;
}

/** What a change of rights means, for whoever is about to make it. */
export function changeMeans(before: Pick<Member, "admin">, admin: boolean, self: boolean): string | null {
  if (admin && !before.admin) return "An administrator may change everything in the organisation, this page included.";
  if (!admin && before.admin) return self ? "You are signed out, and do not see this page any more." : "They are signed out everywhere, and come back without the right.";
  return null;
}
