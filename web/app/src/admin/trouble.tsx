// What went wrong, with a way to try it once more.

import type { JSX } from "preact";
import { Button } from "../ui/button";

export function Trouble(props: { text: string | null; again?: () => unknown }): JSX.Element | null {
  if (props.text === null) return null;
  return (
    <div class="alert" role="alert">
      <p>{props.text}</p>
      {props.again !== undefined && (
        <Button small onPress={props.again}>
          Try again
        </Button>
      )}
    </div>
  );
}
