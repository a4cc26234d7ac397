// A value to hand on: shown whole, copied by one button. A password is also shown in groups that are easy to read aloud.

import type { JSX } from "preact";
import { useEffect, useId, useState } from "preact/hooks";
import { Button } from "./button";
import { Check, Copy } from "./icons";

export function CopyLine(props: { label: string; value: string; hint?: string }): JSX.Element {
  const id = useId();
  return (
    <div class="copy-line">
      <span class="copy-label" id={id}>
        {props.label}
      </span>
      <div class="copy-row">
        <output class="copy-value" aria-labelledby={id}>
          {props.value}
        </output>
        <CopyButton value={props.value} what={props.label} />
      </div>
      {props.hint !== undefined && <p class="hint">{props.hint}</p>}
    </div>
  );
}

export function PasswordLine(props: { label: string; value: string; hint?: string }): JSX.Element {
  const id = useId();
  return (
    <div class="copy-line">
      <span class="copy-label" id={id}>
        {props.label}
      </span>
      <div class="copy-row">
        <output class="password-groups" aria-labelledby={id} data-value={props.value}>
          {props.value.split("-").map((group, index) => (
            <span class="password-group" key={index}>
              {syllables(group).map((syllable, at) => (
                <span key={at}>{syllable}</span>
              ))}
            </span>
          ))}
        </output>
        <CopyButton value={props.value} what={props.label} />
      </div>
      {props.hint !== undefined && <p class="hint">{props.hint}</p>}
    </div>
  );
}

function CopyButton(props: { value: string; what: string }): JSX.Element {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return undefined;
    const timer = setTimeout(() => setCopied(false), 2500);
    return () => clearTimeout(timer);
  }, [copied]);
  return (
    <Button
      small
      label={copied ? `${props.what}: copied` : `Copy: ${props.what}`}
      onPress={async () => {
        await navigator.clipboard.writeText(props.value);
        setCopied(true);
      }}
    >
      {copied ? <Check size={18} /> : <Copy size={18} />}
      <span>{copied ? "Copied" : "Copy"}</span>
    </Button>
  );
}

/** Pairs of letters, as the generated passwords are built: "bakidu" is read "ba ki du". */
export function syllables(group: string): string[] {
  return group.match(/.{1,2}/gu) ?? [];
}
