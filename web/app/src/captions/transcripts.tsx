// What was kept of what was said in a room, for those who may read it: files in each language, and their end.

import { api, type TranscriptFormat, type TranscriptView } from "@conclave/sdk";
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { Badge } from "../ui/badge";
import { Button } from "../ui/button";
import { Confirm } from "../ui/dialog";
import { textOf } from "../ui/failure";
import { Choice } from "../ui/field";
import { saveAs } from "../ui/save";
import { useTurns } from "../ui/turns";
import { FORMATS, languageName, ORIGINAL, transcriptTitle } from "../words/captions";

export function Transcripts(props: { room: string }): JSX.Element {
  const list = useSignal<readonly TranscriptView[] | null>(null);
  const trouble = useSignal<string | null>(null);
  const deleting = useSignal<TranscriptView | null>(null);
  const turns = useTurns();
  const load = async () => {
    trouble.value = null;
    try {
      list.value = (await turns.begin(api.transcripts(props.room))) ?? list.value;
    } catch (failure) {
      trouble.value = textOf(failure);
    }
  };
  useEffect(() => void load(), [props.room]);
  return (
    <div class="stack transcripts">
      <p class="hint">Kept only while the transcript is turned on, and deleted with the meeting unless the organisation keeps them. Every download is written to the audit log.</p>
      {trouble.value !== null && (
        <p class="alert" role="alert">
          {trouble.value}
        </p>
      )}
      {list.value?.length === 0 && <p>No transcript is kept.</p>}
      <ul class="lines" aria-label="Transcripts">
        {list.value?.map((one) => (
          <Transcript key={one.id} room={props.room} transcript={one} onDelete={() => (deleting.value = one)} />
        ))}
      </ul>
      <Button small onPress={load}>
        Look again
      </Button>
      {deleting.value !== null && (
        <Confirm
          title="Delete this transcript?"
          text={`What was said on ${transcriptTitle(deleting.value.started)} is gone for good, for everyone.`}
          confirm="Delete the transcript"
          onConfirm={async () => {
            const gone = deleting.value;
            if (gone === null) return;
            try {
              await api.deleteTranscript(props.room, gone.id);
            } catch (failure) {
              trouble.value = textOf(failure);
              return;
            }
            await load();
          }}
          onClose={() => (deleting.value = null)}
        />
      )}
    </div>
  );
}

function Transcript(props: { room: string; transcript: TranscriptView; onDelete: () => void }): JSX.Element {
  const { room, transcript } = props;
  const language = useSignal(ORIGINAL);
  const trouble = useSignal<string | null>(null);
  const title = transcriptTitle(transcript.started);
  const save = async (format: TranscriptFormat) => {
    trouble.value = null;
    try {
      const file = await api.transcriptFile(room, transcript.id, language.value, format);
      saveAs(file, `${title}.${language.value}.${format}`);
    } catch (failure) {
      trouble.value = textOf(failure);
    }
  };
  return (
    <li class="transcript" data-transcript={transcript.id}>
      <div class="line-words">
        <p class="line-name">{title}</p>
        <p class="line-notes">
          <Badge>{transcript.cues === 1 ? "1 caption" : `${transcript.cues} captions`}</Badge>
          {transcript.ended === null && <Badge tone="key">runs now</Badge>}
        </p>
      </div>
      {transcript.languages.length > 0 && (
        <Choice
          label={`Language of ${title}`}
          hideLabel
          value={language.value}
          options={[{ value: ORIGINAL, label: "As it was spoken" }, ...transcript.languages.map((code) => ({ value: code, label: `${languageName(code)} (rough machine translation)` }))]}
          onChange={(wanted) => (language.value = wanted)}
        />
      )}
      <div class="action-row">
        {FORMATS.map(({ format, label, about }) => (
          <Button key={format} small hint={`${label}, ${about}`} label={`${label} of ${title}`} onPress={() => save(format)}>
            {label}
          </Button>
        ))}
        <Button small kind="danger" label={`Delete the transcript of ${title}`} onPress={props.onDelete}>
          Delete
        </Button>
      </div>
      {trouble.value !== null && (
        <p class="alert" role="alert">
          {trouble.value}
        </p>
      )}
    </li>
  );
}
