// The control API, `/v1`, for the admin pages: webhooks, API keys and members. It answers them with the session of this browser.

import { present } from "./own";
import { request, tagged } from "./request";
import type { InvitationView } from "./generated/InvitationView";

export type DeliveryState = "due" | "told" | "dead";

/** A place that is told what happens. Times are milliseconds since the epoch. */
export interface Webhook {
  id: string;
  name: string;
  url: string;
  events: string[];
  /** Paused: what happens is kept for it. Failing and gone: it was given up. */
  state: "active" | "paused" | "failing" | "gone";
  failing_since: number | null;
  old_secret_until: number | null;
  made: number;
}

export interface WebhookLine extends Webhook {
  due: number;
  dead: number;
}

export interface WebhookList {
  webhooks: WebhookLine[];
  /** Every type of event that there is. */
  events: string[];
}

/** The secret is not shown again. */
export interface WebhookMade {
  id: string;
  secret: string;
}

export interface WebhookChange {
  name?: string;
  url?: string;
  events?: string[];
  active?: boolean;
}

export interface Delivery {
  id: string;
  type: string;
  room: string | null;
  at: number;
  state: DeliveryState;
  attempts: number;
  next: number | null;
  last: number | null;
  status: number | null;
  failure: string | null;
  took: number | null;
}

export interface DeliveryPage {
  deliveries: Delivery[];
  next: string | null;
}

export interface ApiKey {
  id: string;
  name: string;
  prefix: string;
  scopes: string[];
  made_by: string;
  made: number;
  expires: number;
  used: number | null;
}

/** The key is not shown again. */
export interface ApiKeyMade {
  id: string;
  key: string;
  prefix: string;
  expires: number;
}

/** Someone who has an account. */
export interface Member {
  id: string;
  name: string;
  admin: boolean;
  /** By a provider whose claims say so, while they come by it. */
  admin_by_provider: boolean;
  may_create_rooms: boolean;
  created: number;
}

export interface MemberWays {
  /** Null where a provider made the account: then it has no password either. */
  email: string | null;
  password: boolean;
  passkeys: number;
  /** By their names in addresses. */
  providers: string[];
  /** Null where they have not signed in since they made the account. */
  signed_in: number | null;
}

export interface MemberLine extends Member {
  ways: MemberWays | null;
}

export interface MemberPage {
  members: MemberLine[];
  /** A page of a search may be short, and yet not the last. */
  next: string | null;
}

export interface MemberChange {
  admin?: boolean;
  may_create_rooms?: boolean;
}

/** Who has an account, the newest first; with words, only those in whose name or address they stand. */
export function members(words: string, cursor: string | null): Promise<MemberPage> {
  const query = new URLSearchParams({ limit: "50", ...(words === "" ? {} : { q: words }), ...(cursor === null ? {} : { cursor }) });
  return request("GET", `/v1/members?${query}`);
}

/** One of them, with the tag that a change names. */
export function member(id: string): Promise<{ state: Member; tag: string }> {
  return tagged(`/v1/members/${encodeURIComponent(id)}`);
}

export function changeMember(id: string, tag: string, change: MemberChange): Promise<Member> {
  return present("PATCH", `/v1/members/${encodeURIComponent(id)}`, change, { "If-Match": tag });
}

/** They may sign in again. */
export function endMemberSessions(id: string): Promise<void> {
  return request("DELETE", `/v1/members/${encodeURIComponent(id)}/sessions`);
}

/** The account is over, and what was sealed with its key cannot be read again. */
export function endMember(id: string): Promise<void> {
  return present("DELETE", `/v1/members/${encodeURIComponent(id)}`);
}

/** A link with which one person makes an account. */
export function invite(mayCreateRooms: boolean): Promise<InvitationView> {
  return present("POST", "/v1/invitations", { may_create_rooms: mayCreateRooms });
}

/** Something that a provider may say of someone: a claim that is, or holds, one of these values. */
export interface ProviderRule {
  claim: string;
  values: string[];
}

/** A provider with which people may sign in. */
export interface Provider {
  /** What it is called in addresses. */
  id: string;
  /** The organisation's own; else it stands in the operator's settings and is not changed here. */
  own: boolean;
  enabled: boolean;
  kind: "openid" | "google" | "facebook";
  name: string;
  issuer: string;
  client_id: string;
  scopes: string[];
  accounts: "linked" | "made";
  /** All must hold. */
  required: ProviderRule[];
  /** Of these, any. */
  creators: ProviderRule[];
  admins: ProviderRule[];
  second_factor: ProviderRule[];
  /** The operator lets it be on an internal network. */
  internal: boolean;
  /** Where it sends people back to. */
  redirects: string[];
}

export interface ProviderLine extends Provider {
  linked: number;
  /** Accounts that have no other way in. */
  only_way: number;
}

export interface ProviderLines {
  providers: ProviderLine[];
  most: number;
  origins: string[];
}

/** The secret is kept and never shown. */
export interface NewProvider extends Pick<Provider, "id" | "kind" | "name" | "client_id" | "scopes" | "accounts" | "required" | "creators" | "admins" | "second_factor"> {
  issuer?: string;
  client_secret?: string;
}

/** What is left out stays. Kind and issuer always do. */
export type ProviderChange = Partial<Omit<NewProvider, "id" | "kind" | "issuer">> & { enabled?: boolean };

export interface IssuerChecked {
  found: { authorization_endpoint: string; token_endpoint: string; scopes: string[]; claims: string[] } | null;
  failure: string | null;
}

export function providers(): Promise<ProviderLines> {
  return request("GET", "/v1/providers");
}

/** One of them, with the tag that a change names. */
export function provider(id: string): Promise<{ state: Provider; tag: string }> {
  return tagged(`/v1/providers/${encodeURIComponent(id)}`);
}

export function addProvider(wanted: NewProvider): Promise<Provider> {
  return present("POST", "/v1/providers", wanted);
}

/** Whoever came by it may be signed out by that. */
export function changeProvider(id: string, tag: string, change: ProviderChange): Promise<Provider> {
  return present("PATCH", `/v1/providers/${encodeURIComponent(id)}`, change, { "If-Match": tag });
}

export function removeProvider(id: string, tag: string): Promise<void> {
  return present("DELETE", `/v1/providers/${encodeURIComponent(id)}`, undefined, { "If-Match": tag });
}

/** What an issuer says of itself, or why it cannot be used. */
export function checkIssuer(issuer: string): Promise<IssuerChecked> {
  return present("POST", "/v1/providers/check", { issuer });
}

export function webhooks(): Promise<WebhookList> {
  return request("GET", "/v1/webhooks");
}

export function makeWebhook(name: string, url: string, events: readonly string[]): Promise<WebhookMade> {
  return present("POST", "/v1/webhooks", { name, url, events });
}

export function changeWebhook(id: string, change: WebhookChange): Promise<Webhook> {
  return present("PATCH", `/v1/webhooks/${encodeURIComponent(id)}`, change);
}

export function deleteWebhook(id: string): Promise<void> {
  return request("DELETE", `/v1/webhooks/${encodeURIComponent(id)}`);
}

/** The secret before it signs too until then. */
export function rotateWebhookSecret(id: string): Promise<{ secret: string; old_secret_until: number }> {
  return present("POST", `/v1/webhooks/${encodeURIComponent(id)}/secret`);
}

export function testWebhook(id: string): Promise<{ id: string }> {
  return request("POST", `/v1/webhooks/${encodeURIComponent(id)}/test`);
}

/** What became of telling it, the newest first. */
export function deliveries(id: string, state: DeliveryState | null, cursor: string | null): Promise<DeliveryPage> {
  const query = new URLSearchParams({ limit: "25", ...(state === null ? {} : { state }), ...(cursor === null ? {} : { cursor }) });
  return request("GET", `/v1/webhooks/${encodeURIComponent(id)}/deliveries?${query}`);
}

/** One delivery again, or all that are dead. */
export function replay(id: string, delivery: string | null): Promise<{ deliveries: number }> {
  return request("POST", `/v1/webhooks/${encodeURIComponent(id)}/replay`, delivery === null ? {} : { id: delivery });
}

export async function apiKeys(): Promise<ApiKey[]> {
  return (await request<{ keys: ApiKey[] }>("GET", "/v1/api-keys")).keys;
}

export function makeApiKey(name: string, scopes: readonly string[], days: number): Promise<ApiKeyMade> {
  return present("POST", "/v1/api-keys", { name, scopes, expires_in_days: days });
}

export function revokeApiKey(id: string): Promise<void> {
  return request("DELETE", `/v1/api-keys/${encodeURIComponent(id)}`);
}

/** The origins of the pages of others that may bring their users in. */
export async function embeddingOrigins(): Promise<string[]> {
  return (await request<{ origins: string[] }>("GET", "/v1/embedding/origins")).origins;
}

/** Those and no others, from now on. */
export async function setEmbeddingOrigins(origins: readonly string[]): Promise<string[]> {
  return (await present<{ origins: string[] }>("PUT", "/v1/embedding/origins", { origins })).origins;
}
