// How the speech of a room is recognised and translated, for its hosts: the language that is spoken, those that may be read, and words
// that nobody would guess.

import { api, type SpeechView } from "@conclave/sdk";
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { Button } from "../ui/button";
import { textOf } from "../ui/failure";
import { Choice, TextField } from "../ui/field";
import { Form } from "../ui/form";
import { languageName } from "../words/captions";
import { intoOf, languageChoices, MOST_LANGUAGES, MOST_WORDS, wordsOf, wordsTrouble, type Into } from "./wish";

const INTO: readonly { value: Into; label: string }[] = [
  { value: "all", label: "Whatever the server can" },
  { value: "some", label: "Only the languages below" },
  { value: "none", label: "Nothing: everyone reads what was spoken" },
];

export function Speech(props: { room: string }): JSX.Element {
  const { room } = props;
  const held = useSignal<SpeechView | null>(null);
  const trouble = useSignal<string | null>(null);
  const saved = useSignal(false);
  const spoken = useSignal("");
  const into = useSignal<Into>("all");
  const languages = useSignal<readonly string[]>([]);
  const words = useSignal("");
  /** How often something was changed here. */
  const edits = useRef(0);
  const show = (speech: SpeechView) => {
    held.value = speech;
    spoken.value = speech.spoken ?? "";
    into.value = intoOf(speech);
    languages.value = speech.languages ?? [];
    words.value = speech.words.join("\n");
  };
  const load = async () => {
    trouble.value = null;
    saved.value = false;
    try {
      show(await api.roomSpeech(room));
    } catch (failure) {
      trouble.value = textOf(failure);
    }
  };
  useEffect(() => void load(), [room]);
  const wrong = wordsTrouble(wordsOf(words.value));
  const edit = (change: () => void) => {
    saved.value = false;
    edits.current += 1;
    change();
  };
  return (
    <div class="stack speech">
      {trouble.value !== null && (
        <p class="alert" role="alert">
          {trouble.value}
        </p>
      )}
      {held.value === null && trouble.value === null && <p class="hint">One moment.</p>}
      {held.value !== null && (
        <Form
          submit="Save for this room"
          help={<p>Look again to see what stands now.</p>}
          onSubmit={async () => {
            saved.value = false;
            if (wrong !== undefined || held.value === null) return;
            const chosen = into.value === "all" ? null : into.value === "none" ? [] : [...languages.value];
            const before = edits.current;
            const stands = await api.changeRoomSpeech(room, { languages: chosen, spoken: spoken.value === "" ? null : spoken.value, words: wordsOf(words.value), revision: held.value.revision });
            held.value = stands;
            // What was changed meanwhile stays, to be saved next.
            if (edits.current !== before) return;
            show(stands);
            saved.value = true;
          }}
        >
          <Choice
            label="Language that is spoken"
            value={spoken.value}
            options={[{ value: "", label: "As the operator set it, or as it is heard" }, ...languageChoices([], spoken.value === "" ? null : spoken.value)]}
            onChange={(value) => edit(() => (spoken.value = value))}
          />
          <Choice label="May be translated into" value={into.value} options={INTO} onChange={(value) => edit(() => (into.value = INTO.find((one) => one.value === value)?.value ?? "all"))} />
          {into.value === "some" && (
            <div class="stack">
              {languages.value.length === 0 && <p class="hint">No language is allowed yet: nothing will be translated.</p>}
              <ul class="lines" aria-label="Allowed languages">
                {languages.value.map((code) => (
                  <li class="line" key={code}>
                    <p class="line-name">{languageName(code)}</p>
                    <Button small label={`Take out ${languageName(code)}`} onPress={() => edit(() => (languages.value = languages.value.filter((one) => one !== code)))}>
                      Take out
                    </Button>
                  </li>
                ))}
              </ul>
              {languages.value.length < MOST_LANGUAGES && (
                <Choice
                  label="Allow another language"
                  value=""
                  options={[{ value: "", label: "Choose a language" }, ...languageChoices(languages.value)]}
                  onChange={(code) => code !== "" && edit(() => (languages.value = [...languages.value, code]))}
                />
              )}
            </div>
          )}
          <TextField
            label="Words and names that come up"
            value={words.value}
            onInput={(value) => edit(() => (words.value = value))}
            rows={6}
            hint={`One on each line, ${MOST_WORDS} at most. They help the recogniser to spell them, and are stored sealed.`}
            error={wrong}
          />
        </Form>
      )}
      <p class="hint" role="status">
        {saved.value ? "Saved. A meeting that runs follows at once." : ""}
      </p>
      <Button small onPress={load}>
        Look again
      </Button>
    </div>
  );
}
