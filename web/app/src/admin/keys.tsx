// API keys: for other programs, each with its own scopes and end. A key is shown once.

import { control, type ApiKey, type ApiKeyMade } from "@conclave/sdk";
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { Badge } from "../ui/badge";
import { Button } from "../ui/button";
import { CopyLine } from "../ui/copy";
import { Confirm, Dialog } from "../ui/dialog";
import { Choice, Field } from "../ui/field";
import { Form } from "../ui/form";
import { useTurns } from "../ui/turns";
import { keyStanding, moment, SCOPES } from "../words/webhooks";
import { useAttempts } from "./attempt";
import { Presence, whilePresent } from "../pages/present";
import { Ticks } from "./events";
import { Trouble } from "./trouble";

const LASTS: readonly { value: string; label: string }[] = [
  { value: "7", label: "7 days" },
  { value: "30", label: "30 days" },
  { value: "90", label: "90 days" },
  { value: "365", label: "1 year" },
];

export function ApiKeys(): JSX.Element {
  const keys = useSignal<ApiKey[] | null>(null);
  const made = useSignal<{ name: string; key: ApiKeyMade } | null>(null);
  const making = useSignal(false);
  const ending = useSignal<ApiKey | null>(null);
  const turns = useTurns();
  const { trouble, attempt } = useAttempts();
  const load = () =>
    attempt(async () => {
      keys.value = (await turns.begin(control.apiKeys())) ?? keys.value;
    });
  useEffect(() => void load(), []);
  const now = Date.now();
  return (
    <div class="stack admin">
      <p class="hint">A key lets another program use the control API. It can do what its scopes say and nothing else, never makes keys or administrators, and ends with the rights of whoever made it.</p>
      <div class="admin-head">
        <Button kind="primary" onPress={() => (making.value = true)}>
          New key
        </Button>
        <a class="admin-link" href="/v1/openapi.json">
          Description of the API (OpenAPI)
        </a>
      </div>
      {made.value !== null && (
        <div class="note" role="status">
          <CopyLine label={`Key ${made.value.name}`} value={made.value.key.key} hint="Copy it now: it is not shown again. Programs send it as the bearer token." />
        </div>
      )}
      <Trouble text={trouble.value} again={load} />
      {keys.value === null && trouble.value === null && <p class="hint">One moment.</p>}
      {keys.value?.length === 0 && <p class="admin-empty">No key has been made. Nothing but the pages of this server can use its API.</p>}
      <ul class="lines admin-lines" aria-label="API keys">
        {keys.value?.map((key) => {
          const standing = keyStanding(key, now);
          return (
            <li class="admin-line" key={key.id}>
              <div class="line-words">
                <p class="line-name">
                  {key.name} <code class="admin-prefix">{key.prefix}…</code>
                </p>
                <p class="line-notes">
                  <Badge tone={standing.tone}>{standing.words}</Badge>
                  <span class="hint">until {moment(key.expires)}</span>
                  {key.used !== null && <span class="hint">used about {moment(key.used)}</span>}
                </p>
                <p class="hint">{key.scopes.map((scope) => SCOPES[scope] ?? scope).join(" · ")}</p>
              </div>
              <Button small kind="danger" label={`Take back the key ${key.name}`} onPress={() => (ending.value = key)}>
                Take back
              </Button>
            </li>
          );
        })}
      </ul>
      {making.value && (
        <KeyDialog
          onClose={() => (making.value = false)}
          onMade={(name, key) => {
            made.value = { name, key };
            making.value = false;
            void load();
          }}
        />
      )}
      <Presence />
      {ending.value !== null && (
        <Confirm
          title={`Take back the key ${ending.value.name}?`}
          text="Whatever uses it is refused from then on. This cannot be undone."
          confirm="Take back"
          onClose={() => (ending.value = null)}
          onConfirm={async () => {
            const id = ending.value?.id;
            if (id === undefined || !(await attempt(() => control.revokeApiKey(id)))) return;
            if (made.value?.key.id === id) made.value = null;
            await load();
          }}
        />
      )}
    </div>
  );
}

function KeyDialog(props: { onClose: () => void; onMade: (name: string, key: ApiKeyMade) => void }): JSX.Element {
  const name = useSignal("");
  const lasts = useSignal("90");
  const scopes = useSignal<string[]>([]);
  return (
    <Dialog title="New API key" onClose={props.onClose}>
      <Form
        submit="Make the key"
        onSubmit={async () => {
          const called = name.value.trim();
          const key = await whilePresent(() => control.makeApiKey(called, scopes.value, Number(lasts.value)));
          if (key !== null) props.onMade(called, key);
        }}
      >
        <Field label="What is it for?" value={name.value} onInput={(value) => (name.value = value)} required maxLength={64} autofocus hint="The program that will use it." />
        <Choice label="Good for" value={lasts.value} options={LASTS} onChange={(value) => (lasts.value = value)} />
        <Ticks legend="What it may do" all={Object.keys(SCOPES)} words={(scope) => SCOPES[scope] ?? scope} chosen={scopes.value} onChange={(chosen) => (scopes.value = chosen)} />
        {scopes.value.length === 0 && <p class="hint">Choose at least one thing.</p>}
      </Form>
    </Dialog>
  );
}
