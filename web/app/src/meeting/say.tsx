// What a host may say to those who wait: one of a few fixed phrases, or a short text of their own. Nobody can answer.

import type { WaitingWord, KnockView, Phrase } from "@conclave/sdk";
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { Dialog } from "../ui/dialog";
import { Field } from "../ui/field";
import { Form } from "../ui/form";
import { PHRASE } from "../words/people";
import type { Meeting } from "./model";

const LONGEST = 200;
const PHRASES = Object.keys(PHRASE) as Phrase[];

export function SayDialog(props: { meeting: Meeting; knock?: KnockView | undefined; onClose: () => void }): JSX.Element {
  const { meeting, knock } = props;
  const phrase = useSignal<Phrase | "own">("one_moment");
  const text = useSignal("");
  const who = knock === undefined ? "everyone who waits" : knock.name;
  return (
    <Dialog title={`Message ${who}`} onClose={props.onClose}>
      <Form
        submit="Send"
        onSubmit={async () => {
          const message: WaitingWord = phrase.value === "own" ? { text: text.value.trim() } : { phrase: phrase.value };
          await meeting.client.messageWaiting(message, knock?.knock);
          meeting.announce(`The message went to ${who}.`);
          props.onClose();
        }}
      >
        <fieldset class="choices">
          <legend>What they read</legend>
          {PHRASES.map((one) => (
            <label class="choice" key={one}>
              <input type="radio" name="phrase" checked={phrase.value === one} onChange={() => (phrase.value = one)} />
              <span>{PHRASE[one]}</span>
            </label>
          ))}
          <label class="choice">
            <input type="radio" name="phrase" checked={phrase.value === "own"} onChange={() => (phrase.value = "own")} />
            <span>Own words</span>
          </label>
        </fieldset>
        {phrase.value === "own" && (
          <Field label="Your message" value={text.value} onInput={(value) => (text.value = value)} required maxLength={LONGEST} autofocus hint="They cannot answer. Say nothing that only people in the room should know." />
        )}
      </Form>
    </Dialog>
  );
}
