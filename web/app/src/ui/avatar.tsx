// Someone's picture as the server re-encoded it, or their initials. Decoration: the name stands beside it.

import type { JSX } from "preact";
import { initials } from "../words/people";
import { Portrait } from "./portrait";

export function Avatar(props: { name: string; picture: string | null; large?: boolean }): JSX.Element {
  const { picture } = props;
  return (
    <span class={props.large === true ? "avatar avatar-large" : "avatar"} aria-hidden="true">
      {picture === null ? <span data-initials={initials(props.name)} /> : <Portrait id={picture} />}
    </span>
  );
}
