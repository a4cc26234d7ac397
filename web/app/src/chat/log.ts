// The chat as one person may read it: numbered messages, older pages before them, what has not been read. Pure.

import type { ChatView } from "@conclave/sdk";

export interface Log {
  /** By number, without gaps that the server would fill: pages are put before, new ones after. */
  readonly messages: readonly ChatView[];
  /** Where the older ones begin; null when there are none. Undefined until the first page was read. */
  readonly next: number | null | undefined;
  readonly unread: number;
}

export const EMPTY: Log = { messages: [], next: undefined, unread: 0 };

/** A new message; one that is there already is not counted again. */
export function received(log: Log, message: ChatView, read: boolean): Log {
  const known = log.messages.some((one) => one.number === message.number);
  return { ...log, messages: joined(log.messages, [message]), unread: known || read ? log.unread : log.unread + 1 };
}

export function withPage(log: Log, page: { messages: readonly ChatView[]; more: boolean; next?: number }): Log {
  return { ...log, messages: joined(page.messages, log.messages), next: page.more ? (page.next ?? oldest(page.messages) ?? null) : null };
}

/** The place stays, so that the numbers go on, but the words are gone. */
export function deleted(log: Log, number: number): Log {
  return { ...log, messages: log.messages.map((one) => (one.number === number ? { ...one, text: "", deleted: true } : one)) };
}

export function allRead(log: Log): Log {
  return log.unread === 0 ? log : { ...log, unread: 0 };
}

function oldest(messages: readonly ChatView[]): number | undefined {
  return messages.length === 0 ? undefined : Math.min(...messages.map((message) => message.number));
}

/** One person's messages that follow each other within this time stand under one name. */
const TOGETHER_MS = 5 * 60_000;

export function follows(before: ChatView | undefined, message: ChatView): boolean {
  return before !== undefined && before.participant === message.participant && message.at - before.at < TOGETHER_MS;
}

function joined(first: readonly ChatView[], second: readonly ChatView[]): ChatView[] {
  const all = new Map<number, ChatView>();
  for (const message of [...first, ...second]) all.set(message.number, message);
  return [...all.values()].sort((a, b) => a.number - b.number);
}
