// Webhooks of the organisation: where other programs are told what happens here. A secret is shown once, when it is made.

import { control, type WebhookLine, type WebhookList } from "@conclave/sdk";
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { Badge } from "../ui/badge";
import { Button } from "../ui/button";
import { CopyLine } from "../ui/copy";
import { Confirm, Dialog } from "../ui/dialog";
import { Field } from "../ui/field";
import { Form } from "../ui/form";
import { useTurns } from "../ui/turns";
import { eventWords, moment, webhookStanding } from "../words/webhooks";
import { Presence, whilePresent } from "../pages/present";
import { useAttempts } from "./attempt";
import { Deliveries } from "./deliveries";
import { Ticks } from "./events";
import { Trouble } from "./trouble";

type Open = { what: "none" } | { what: "new" } | { what: "change" | "rotate" | "delete" | "deliveries"; webhook: WebhookLine };

export function Webhooks(): JSX.Element {
  const list = useSignal<WebhookList | null>(null);
  const open = useSignal<Open>({ what: "none" });
  const secret = useSignal<{ name: string; secret: string; until: number | null } | null>(null);
  const said = useSignal<string | null>(null);
  const turns = useTurns();
  const { trouble, attempt } = useAttempts();
  const load = () =>
    attempt(async () => {
      list.value = (await turns.begin(control.webhooks())) ?? list.value;
    });
  useEffect(() => void load(), []);
  const close = () => (open.value = { what: "none" });
  const now = open.value;
  const change = async (webhook: WebhookLine, active: boolean) => {
    if (await attempt(() => control.changeWebhook(webhook.id, { active }))) await load();
  };
  return (
    <div class="stack admin">
      <p class="hint">Other programs can be told what happens here: each event is sent as a signed HTTPS request, in order for each room, and tried again when it fails. The form is that of Standard Webhooks.</p>
      <div class="admin-head">
        <Button kind="primary" onPress={() => (open.value = { what: "new" })}>
          New webhook
        </Button>
      </div>
      {secret.value !== null && (
        <div class="note" role="status">
          <CopyLine
            label={`Secret of ${secret.value.name}`}
            value={secret.value.secret}
            hint={`Copy it now: it is not shown again. The receiver checks signatures with it.${secret.value.until === null ? "" : ` The old secret signs too until ${moment(secret.value.until)}.`}`}
          />
        </div>
      )}
      {said.value !== null && (
        <p class="note" role="status">
          {said.value}
        </p>
      )}
      <Trouble text={trouble.value} again={load} />
      {list.value === null && trouble.value === null && <p class="hint">One moment.</p>}
      {list.value?.webhooks.length === 0 && <p class="admin-empty">No webhook yet. Make one to let another program follow what happens in your rooms.</p>}
      <ul class="lines admin-lines" aria-label="Webhooks">
        {list.value?.webhooks.map((webhook) => {
          const standing = webhookStanding(webhook);
          const off = webhook.state !== "active";
          return (
            <li class="admin-line" key={webhook.id}>
              <div class="line-words">
                <p class="line-name">{webhook.name}</p>
                <p class="admin-address">{webhook.url}</p>
                <p class="line-notes">
                  <Badge tone={standing.tone}>{standing.words}</Badge>
                  {webhook.due > 0 && <Badge>{webhook.due} to be sent</Badge>}
                  {webhook.dead > 0 && <Badge tone="warn">{webhook.dead} given up</Badge>}
                  <span class="hint">
                    {webhook.events.length === 1 ? "1 kind of event" : `${webhook.events.length} kinds of events`}, since {moment(webhook.made)}
                  </span>
                </p>
                {standing.more !== undefined && <p class="hint">{standing.more}</p>}
              </div>
              <div class="admin-actions">
                <Button small label={`Deliveries of ${webhook.name}`} onPress={() => (open.value = { what: "deliveries", webhook })}>
                  Deliveries
                </Button>
                <Button
                  small
                  label={`Send a test to ${webhook.name}`}
                  onPress={async () => {
                    said.value = null;
                    const sent = await attempt(() => control.testWebhook(webhook.id));
                    if (!sent) return;
                    said.value = off ? `A test for ${webhook.name} waits until it is turned on.` : `A test is on its way to ${webhook.name}. Its deliveries show what came of it.`;
                    await load();
                  }}
                >
                  Send a test
                </Button>
                <Button small label={`${off ? "Turn on" : "Pause"} ${webhook.name}`} onPress={() => change(webhook, off)}>
                  {off ? "Turn on" : "Pause"}
                </Button>
                <Button small label={`Change ${webhook.name}`} onPress={() => (open.value = { what: "change", webhook })}>
                  Change
                </Button>
                <Button small label={`New secret for ${webhook.name}`} onPress={() => (open.value = { what: "rotate", webhook })}>
                  New secret
                </Button>
                <Button small kind="danger" label={`Delete ${webhook.name}`} onPress={() => (open.value = { what: "delete", webhook })}>
                  Delete
                </Button>
              </div>
            </li>
          );
        })}
      </ul>
      {now.what === "new" && (
        <WebhookDialog
          title="New webhook"
          submit="Make the webhook"
          events={list.value?.events ?? []}
          start={{ name: "", url: "", events: list.value?.events ?? [] }}
          onClose={close}
          onSubmit={async (name, url, events) => {
            const made = await whilePresent(() => control.makeWebhook(name, url, events));
            if (made === null) return;
            secret.value = { name, secret: made.secret, until: null };
            said.value = null;
            close();
            await load();
          }}
        />
      )}
      {now.what === "change" && (
        <WebhookDialog
          title={`Change ${now.webhook.name}`}
          submit="Save"
          events={list.value?.events ?? []}
          start={now.webhook}
          onClose={close}
          onSubmit={async (name, url, events) => {
            // Another address opens it to another; the rest does not.
            const change = url === now.webhook.url ? { name, events } : { name, url, events };
            if ((await whilePresent(() => control.changeWebhook(now.webhook.id, change))) === null) return;
            close();
            await load();
          }}
        />
      )}
      {now.what === "rotate" && (
        <Confirm
          title={`New secret for ${now.webhook.name}?`}
          text="From now on both secrets sign, for one day. Give the receiver the new one in that time."
          confirm="Make a new secret"
          onClose={close}
          onConfirm={() =>
            attempt(async () => {
              const made = await whilePresent(() => control.rotateWebhookSecret(now.webhook.id));
              if (made === null) return;
              secret.value = { name: now.webhook.name, secret: made.secret, until: made.old_secret_until };
              await load();
            })
          }
        />
      )}
      {now.what === "delete" && (
        <Confirm
          title={`Delete ${now.webhook.name}?`}
          text="It is told nothing more, and what it was told is forgotten here. What has not been sent is not sent."
          confirm="Delete"
          onClose={close}
          onConfirm={async () => {
            if (!(await attempt(() => control.deleteWebhook(now.webhook.id)))) return;
            secret.value = null;
            said.value = `${now.webhook.name} is deleted.`;
            await load();
          }}
        />
      )}
      <Presence />
      {now.what === "deliveries" && (
        <Dialog title={`Deliveries of ${now.webhook.name}`} wide onClose={() => { close(); void load(); }}>
          <Deliveries webhook={now.webhook} />
        </Dialog>
      )}
    </div>
  );
}

interface WebhookDialogProps {
  title: string;
  submit: string;
  events: readonly string[];
  start: { name: string; url: string; events: string[] };
  onSubmit: (name: string, url: string, events: string[]) => Promise<void>;
  onClose: () => void;
}

function WebhookDialog(props: WebhookDialogProps): JSX.Element {
  const name = useSignal(props.start.name);
  const url = useSignal(props.start.url);
  const events = useSignal<string[]>(props.start.events);
  const all = events.value.length === props.events.length;
  return (
    <Dialog title={props.title} onClose={props.onClose}>
      <Form submit={props.submit} onSubmit={() => props.onSubmit(name.value.trim(), url.value.trim(), events.value)}>
        <Field label="Name" value={name.value} onInput={(value) => (name.value = value)} required maxLength={80} autofocus hint="So that you know it again." />
        <Field label="Address" value={url.value} onInput={(value) => (url.value = value)} required maxLength={500} plainText hint="https://…, on the public internet. Others only where the operator of this server allows it." />
        <Ticks legend="What it is told" all={props.events} words={eventWords} chosen={events.value} onChange={(chosen) => (events.value = chosen)} />
        <Button small onPress={() => (events.value = all ? [] : [...props.events])}>
          {all ? "Untick all" : "Tick all"}
        </Button>
      </Form>
    </Dialog>
  );
}
