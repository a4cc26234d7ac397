// Small labels: a state in a word, never by colour alone.

import type { ComponentChildren, JSX } from "preact";

export function Badge(props: { tone?: "plain" | "key" | "good" | "warn"; children: ComponentChildren }): JSX.Element {
  return <span class={`badge badge-${props.tone ?? "plain"}`}>{props.children}</span>;
}
