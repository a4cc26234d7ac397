// Ticks for what something is told or may do: each in plain words, with its name for programs beside it.

import type { JSX } from "preact";
import { Check } from "../ui/field";

export interface TicksProps {
  legend: string;
  all: readonly string[];
  words: (name: string) => string;
  chosen: readonly string[];
  onChange: (chosen: string[]) => void;
}

export function Ticks(props: TicksProps): JSX.Element {
  return (
    <fieldset class="choices ticks">
      <legend>{props.legend}</legend>
      {props.all.map((name) => (
        <Check
          key={name}
          label={props.words(name)}
          hint={name}
          checked={props.chosen.includes(name)}
          onChange={(on) => props.onChange(props.all.filter((one) => (one === name ? on : props.chosen.includes(one))))}
        />
      ))}
    </fieldset>
  );
}
