// A form with one action: keeps the page, shows the server's refusal, is busy while it waits.

import type { ComponentChildren, JSX } from "preact";
import { useState } from "preact/hooks";
import { Button } from "./button";
import { textOf } from "./failure";

export interface FormProps {
  submit: string;
  onSubmit: () => Promise<void>;
  children: ComponentChildren;
  /** What to do next when it is refused. */
  help?: ComponentChildren;
}

export function Form(props: FormProps): JSX.Element {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const submit = async () => {
    if (busy) return;
    setBusy(true);
    setError(null);
    try {
      await props.onSubmit();
    } catch (failure) {
      setError(textOf(failure));
    } finally {
      setBusy(false);
    }
  };
  return (
    <form
      class="form"
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      {props.children}
      {error !== null && (
        <div class="alert" role="alert">
          <p>{error}</p>
          {props.help}
        </div>
      )}
      <Button type="submit" kind="primary" wide busy={busy}>
        {props.submit}
      </Button>
    </form>
  );
}
