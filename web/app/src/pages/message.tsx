// One thing to say, and what to do next.

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { Frame } from "./frame";

export interface MessageProps {
  title: string;
  text: string;
  more?: string | undefined;
  children?: ComponentChildren;
}

export function MessagePage(props: MessageProps): JSX.Element {
  const heading = useRef<HTMLHeadingElement>(null);
  // Whoever listens instead of looking hears what happened: the focus moves to it.
  useEffect(() => heading.current?.focus(), [props.title]);
  return (
    <Frame narrow>
      <section class="card message">
        <h1 tabIndex={-1} ref={heading}>
          {props.title}
        </h1>
        <p>{props.text}</p>
        {props.more !== undefined && <p class="hint">{props.more}</p>}
        {props.children !== undefined && <div class="message-actions">{props.children}</div>}
      </section>
    </Frame>
  );
}
