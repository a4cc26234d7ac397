// Which pages of other products may bring their users in: exact origins, none to begin with.

import { control } from "@conclave/sdk";
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { Button } from "../ui/button";
import { Confirm, Dialog } from "../ui/dialog";
import { Field } from "../ui/field";
import { Form } from "../ui/form";
import { Presence, whilePresent } from "../pages/present";
import { useAttempts } from "./attempt";
import { Trouble } from "./trouble";

export function Embedding(): JSX.Element {
  const origins = useSignal<string[] | null>(null);
  const adding = useSignal(false);
  const ending = useSignal<string | null>(null);
  const { trouble, attempt } = useAttempts();
  const load = () =>
    attempt(async () => {
      origins.value = await control.embeddingOrigins();
    });
  useEffect(() => void load(), []);
  return (
    <div class="stack admin">
      <p class="hint">Another product can bring its users to the door of a room: its server asks for a join token with an API key, its page joins with it. Only pages of these addresses can. The room decides who comes in, as ever.</p>
      <div class="admin-head">
        <Button kind="primary" onPress={() => (adding.value = true)}>
          Allow an address
        </Button>
      </div>
      <Trouble text={trouble.value} again={load} />
      {origins.value === null && trouble.value === null && <p class="hint">One moment.</p>}
      {origins.value?.length === 0 && <p class="admin-empty">No page of another product can bring anybody in.</p>}
      <ul class="lines admin-lines" aria-label="Allowed addresses">
        {origins.value?.map((origin) => (
          <li class="admin-line" key={origin}>
            <div class="line-words">
              <p class="line-name">{origin}</p>
            </div>
            <Button small kind="danger" label={`Take back ${origin}`} onPress={() => (ending.value = origin)}>
              Take back
            </Button>
          </li>
        ))}
      </ul>
      {adding.value && (
        <OriginDialog
          onClose={() => (adding.value = false)}
          onAllowed={(now) => {
            origins.value = now;
            adding.value = false;
          }}
        />
      )}
      <Presence />
      {ending.value !== null && (
        <Confirm
          title={`Take back ${ending.value}?`}
          text="Its pages bring nobody in from then on. Whoever is in a meeting through them stays until they leave or their connection is lost."
          confirm="Take back"
          onClose={() => (ending.value = null)}
          onConfirm={async () => {
            const gone = ending.value;
            await attempt(async () => {
              const others = (await control.embeddingOrigins()).filter((origin) => origin !== gone);
              origins.value = await control.setEmbeddingOrigins(others);
            });
          }}
        />
      )}
    </div>
  );
}

function OriginDialog(props: { onClose: () => void; onAllowed: (origins: string[]) => void }): JSX.Element {
  const origin = useSignal("");
  return (
    <Dialog title="Allow an address" onClose={props.onClose}>
      <Form
        submit="Allow it"
        onSubmit={async () => {
          const others = await control.embeddingOrigins();
          const now = await whilePresent(() => control.setEmbeddingOrigins([...others, origin.value.trim()]));
          if (now !== null) props.onAllowed(now);
        }}
      >
        <Field label="Address of its pages" value={origin.value} onInput={(value) => (origin.value = value)} required maxLength={270} autofocus plainText hint="Such as https://app.example.org: the origin alone, exactly as browsers show it." />
      </Form>
    </Dialog>
  );
}
