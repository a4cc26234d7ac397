// The control API, `/v1`, for the admin pages: webhooks, API keys and members. It answers them with the session of this browser.

import { present } from "./own";
import { request } from "./request";

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

export function webhooks(): Promise<WebhookList> {
  return request("GET", "/v1/webhooks");
}

export function makeWebhook(name: string, url: string, events: readonly string[]): Promise<WebhookMade> {
  return request("POST", "/v1/webhooks", { name, url, events });
}

export function changeWebhook(id: string, change: WebhookChange): Promise<Webhook> {
  return request("PATCH", `/v1/webhooks/${encodeURIComponent(id)}`, change);
}

export function deleteWebhook(id: string): Promise<void> {
  return request("DELETE", `/v1/webhooks/${encodeURIComponent(id)}`);
}

/** The secret before it signs too until then. */
export function rotateWebhookSecret(id: string): Promise<{ secret: string; old_secret_until: number }> {
  return request("POST", `/v1/webhooks/${encodeURIComponent(id)}/secret`);
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
  return (await request<{ origins: string[] }>("PUT", "/v1/embedding/origins", { origins })).origins;
}
