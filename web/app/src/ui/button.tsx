// The button in its few weights, with the wait while its work is under way.

import type { ComponentChildren, JSX } from "preact";
import { useState } from "preact/hooks";

export interface ButtonProps {
  children: ComponentChildren;
  /** May return a promise: until it settles the button is busy and cannot be pressed again. */
  onPress?: () => unknown;
  kind?: "plain" | "primary" | "quiet" | "danger";
  type?: "button" | "submit";
  small?: boolean;
  wide?: boolean;
  disabled?: boolean;
  busy?: boolean;
  pressed?: boolean;
  label?: string;
  /** More about it, for those who point at it. */
  hint?: string;
  shortcut?: string | undefined;
  /** Takes the focus once, when it appears: for the act that a dialog is about. */
  autofocus?: boolean;
  /** The name of the act, for keys that press it. */
  act?: string;
}

export function Button(props: ButtonProps): JSX.Element {
  const [working, setWorking] = useState(false);
  const busy = working || props.busy === true;
  const press = async () => {
    if (busy || props.onPress === undefined) return;
    setWorking(true);
    try {
      await props.onPress();
    } finally {
      setWorking(false);
    }
  };
  const classes = ["button", `button-${props.kind ?? "plain"}`];
  if (props.small === true) classes.push("button-small");
  if (props.wide === true) classes.push("button-wide");
  return (
    <button
      type={props.type ?? "button"}
      class={classes.join(" ")}
      disabled={props.disabled === true}
      aria-busy={busy}
      aria-pressed={props.pressed}
      aria-label={props.label}
      title={props.hint}
      aria-keyshortcuts={props.shortcut}
      data-act={props.act}
      ref={props.autofocus === true ? focusOnce : null}
      onClick={() => void press()}
    >
      {props.children}
    </button>
  );
}

/** The focus is taken when a dialog is already open, hence after this drawing. */
function focusOnce(element: HTMLButtonElement | null): void {
  if (element === null || element.dataset["met"] !== undefined) return;
  element.dataset["met"] = "";
  queueMicrotask(() => element.focus());
}
