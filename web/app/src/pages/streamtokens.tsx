// Tokens for streams that come into the room or go out of it without this page: an encoder, a mixing desk, a player. Made for one named
// stream, good until they expire or are taken back. A token is shown once.

import { api, type StreamKind, type StreamTokensMade, type StreamTokenView } from "@conclave/sdk";
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { Badge } from "../ui/badge";
import { Button } from "../ui/button";
import { CopyLine } from "../ui/copy";
import { textOf } from "../ui/failure";
import { Choice, Field } from "../ui/field";
import { Form } from "../ui/form";
import { useTurns } from "../ui/turns";
import { STREAM_KIND, tokenStanding } from "../words/streams";

const LASTS: readonly { value: string; label: string }[] = [
  { value: "1", label: "1 hour" },
  { value: "8", label: "8 hours" },
  { value: "24", label: "1 day" },
  { value: "168", label: "7 days" },
  { value: "720", label: "30 days" },
];

const KINDS: readonly { value: StreamKind; label: string }[] = [
  { value: "source", label: STREAM_KIND.source },
  { value: "viewer", label: STREAM_KIND.viewer },
];

export function StreamTokens(props: { room: string }): JSX.Element {
  const tokens = useSignal<readonly StreamTokenView[] | null>(null);
  const made = useSignal<StreamTokensMade | null>(null);
  const trouble = useSignal<string | null>(null);
  const label = useSignal("");
  const kind = useSignal<StreamKind>("source");
  const lasts = useSignal("8");
  const turns = useTurns();
  const load = async () => {
    trouble.value = null;
    try {
      tokens.value = (await turns.begin(api.streamTokens(props.room))) ?? tokens.value;
    } catch (failure) {
      trouble.value = textOf(failure);
    }
  };
  useEffect(() => void load(), [props.room]);
  return (
    <div class="stack guest-links">
      <p class="hint">For an encoder such as OBS, or a player: by WHIP into the room, by WHEP out of it. A token lets its one stream in without waiting; everyone sees its name. Taking it back ends the stream.</p>
      <Form
        submit="Make a token"
        onSubmit={async () => {
          made.value = await api.makeStreamToken(props.room, kind.value, label.value.trim(), Number(lasts.value));
          label.value = "";
          await load();
        }}
      >
        <Field label="What is the stream called?" value={label.value} onInput={(value) => (label.value = value)} required maxLength={80} hint="Everyone in the room sees this name." />
        <Choice label="Which way does it go?" value={kind.value} options={KINDS} onChange={(value) => (kind.value = value === "viewer" ? "viewer" : "source")} />
        <Choice label="May begin for" value={lasts.value} options={LASTS} onChange={(value) => (lasts.value = value)} />
      </Form>
      {made.value?.tokens.map((token) => (
        <div class="note" role="status" key={token.id}>
          <CopyLine label={`Address for ${token.label}`} value={new URL(made.value?.path ?? "", location.origin).href} />
          <CopyLine label={`Token for ${token.label}`} value={token.token} hint="Copy it now: it is not shown again. Programs call it the bearer token." />
        </div>
      ))}
      {trouble.value !== null && (
        <p class="alert" role="alert">
          {trouble.value}
        </p>
      )}
      {tokens.value?.length === 0 && <p class="hint">No token has been made.</p>}
      <ul class="lines" aria-label="Stream tokens">
        {tokens.value?.map((token) => {
          const standing = tokenStanding(token, Date.now());
          return (
            <li class="line" key={token.id}>
              <div class="line-words">
                <p class="line-name">{token.label}</p>
                <p class="line-notes">
                  <Badge tone={standing.good ? "good" : "plain"}>{standing.words}</Badge>
                  <span class="hint">
                    {STREAM_KIND[token.kind]}, may begin until {new Date(token.expires).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" })}
                  </span>
                </p>
              </div>
              {standing.mayRevoke && (
                <Button
                  small
                  label={`Take back the token for ${token.label}`}
                  onPress={async () => {
                    try {
                      await api.revokeStreamToken(props.room, token.id);
                    } catch (failure) {
                      trouble.value = textOf(failure);
                      return;
                    }
                    if (made.value?.tokens.some((one) => one.id === token.id) === true) made.value = null;
                    await load();
                  }}
                >
                  Take back
                </Button>
              )}
            </li>
          );
        })}
      </ul>
    </div>
  );
}
