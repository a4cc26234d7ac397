// The browser's own modal dialog: it keeps the focus inside, closes on Escape and gives the focus back.

import type { ComponentChildren, JSX } from "preact";
import { useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { Button } from "./button";
import { textOf } from "./failure";
import { useHere } from "./here";
import { Cross } from "./icons";

export function Dialog(props: { title: string; wide?: boolean; onClose: () => void; children: ComponentChildren }): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useLayoutEffect(() => {
    const element = dialog.current;
    element?.showModal();
    return () => element?.close();
  }, []);
  return (
    <dialog
      ref={dialog}
      class={props.wide === true ? "dialog dialog-wide" : "dialog"}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        props.onClose();
      }}
    >
      <header class="dialog-head">
        <h2 id={id}>{props.title}</h2>
        <Button kind="quiet" small label="Close" onPress={props.onClose}>
          <Cross size={18} />
        </Button>
      </header>
      {props.children}
    </dialog>
  );
}

export interface ConfirmProps {
  title: string;
  text: string;
  confirm: string;
  /** What it throws is said here, and the dialog stays. */
  onConfirm: () => unknown;
  onClose: () => void;
}

export function Confirm(props: ConfirmProps): JSX.Element {
  const [trouble, setTrouble] = useState<string | null>(null);
  const here = useHere();
  return (
    <Dialog title={props.title} onClose={props.onClose}>
      <p>{props.text}</p>
      {trouble !== null && (
        <p class="alert" role="alert">
          {trouble}
        </p>
      )}
      <div class="dialog-actions">
        <Button onPress={props.onClose}>Cancel</Button>
        <Button
          kind="danger"
          autofocus
          onPress={async () => {
            setTrouble(null);
            try {
              await props.onConfirm();
            } catch (failure) {
              setTrouble(textOf(failure));
              return;
            }
            // It may have been closed meanwhile, and another one be open.
            if (!here.aborted) props.onClose();
          }}
        >
          {props.confirm}
        </Button>
      </div>
    </Dialog>
  );
}
