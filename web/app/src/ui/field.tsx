// A labelled field with its hint and its error tied to it for screen readers.

import type { JSX } from "preact";
import { useId } from "preact/hooks";

export interface FieldProps {
  label: string;
  value: string;
  onInput: (value: string) => void;
  type?: "text" | "email" | "password" | "date";
  autocomplete?: string;
  hint?: string;
  error?: string | undefined;
  required?: boolean;
  maxLength?: number;
  minLength?: number;
  autofocus?: boolean;
  /** For words that no dictionary knows. */
  plainText?: boolean;
}

export function Field(props: FieldProps): JSX.Element {
  const id = useId();
  const described = [props.hint && `${id}-hint`, props.error && `${id}-error`].filter(Boolean).join(" ");
  return (
    <div class="field">
      <label for={id}>{props.label}</label>
      <input
        id={id}
        type={props.type ?? "text"}
        value={props.value}
        autocomplete={props.autocomplete ?? "off"}
        required={props.required === true}
        maxLength={props.maxLength}
        minLength={props.minLength}
        spellcheck={props.plainText === true ? false : undefined}
        autocapitalize={props.plainText === true ? "none" : undefined}
        aria-invalid={props.error !== undefined}
        aria-describedby={described === "" ? undefined : described}
        ref={(element) => {
          if (props.autofocus === true && element !== null && element.dataset["met"] === undefined) {
            element.dataset["met"] = "";
            // A dialog takes the focus when it opens, which is after this drawing.
            queueMicrotask(() => element.focus());
          }
        }}
        onInput={(event) => props.onInput(event.currentTarget.value)}
      />
      {props.hint !== undefined && (
        <p class="hint" id={`${id}-hint`}>
          {props.hint}
        </p>
      )}
      {props.error !== undefined && (
        <p class="field-error" id={`${id}-error`}>
          {props.error}
        </p>
      )}
    </div>
  );
}

/** Text of several lines. */
export function TextField(props: { label: string; value: string; onInput: (value: string) => void; rows: number; hint?: string; error?: string | undefined }): JSX.Element {
  const id = useId();
  const described = [props.hint && `${id}-hint`, props.error && `${id}-error`].filter(Boolean).join(" ");
  return (
    <div class="field">
      <label for={id}>{props.label}</label>
      <textarea
        id={id}
        rows={props.rows}
        value={props.value}
        spellcheck={false}
        autocapitalize="none"
        aria-invalid={props.error !== undefined}
        aria-describedby={described === "" ? undefined : described}
        onInput={(event) => props.onInput(event.currentTarget.value)}
      />
      {props.hint !== undefined && (
        <p class="hint" id={`${id}-hint`}>
          {props.hint}
        </p>
      )}
      {props.error !== undefined && (
        <p class="field-error" id={`${id}-error`} role="alert">
          {props.error}
        </p>
      )}
    </div>
  );
}

export function Check(props: { label: string; hint?: string; checked: boolean; onChange: (on: boolean) => void }): JSX.Element {
  const id = useId();
  return (
    <div class="check">
      <input
        id={id}
        type="checkbox"
        checked={props.checked}
        onChange={(event) => {
          const wanted = event.currentTarget.checked;
          // The tick shows what holds: it moves when whoever owns it says so.
          event.currentTarget.checked = props.checked;
          props.onChange(wanted);
        }}
      />
      <label for={id}>
        {props.label}
        {props.hint !== undefined && <span class="hint">{props.hint}</span>}
      </label>
    </div>
  );
}

export interface ChoiceProps {
  label: string;
  value: string;
  options: readonly { value: string; label: string }[];
  onChange: (value: string) => void;
  disabled?: boolean;
  hideLabel?: boolean;
}

export function Choice(props: ChoiceProps): JSX.Element {
  const id = useId();
  return (
    <div class="field">
      <label for={id} class={props.hideLabel === true ? "unseen" : undefined}>
        {props.label}
      </label>
      <select
        id={id}
        value={props.value}
        disabled={props.disabled === true}
        onChange={(event) => {
          const wanted = event.currentTarget.value;
          // The value shown stays what holds until whoever owns it says otherwise.
          event.currentTarget.value = props.value;
          props.onChange(wanted);
        }}
      >
        {props.options.map((option) => (
          <option key={option.value} value={option.value}>
            {option.label}
          </option>
        ))}
      </select>
    </div>
  );
}

export function DateField(props: { label: string; value: string; onInput: (day: string) => void }): JSX.Element {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{props.label}</label>
      <input id={id} type="date" value={props.value} onInput={(event) => props.onInput(event.currentTarget.value)} />
    </div>
  );
}
