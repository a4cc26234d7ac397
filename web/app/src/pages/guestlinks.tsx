// Links for single guests: made for one named person, good on the first device that opens them, until they expire or are taken
// back. The secret is shown once.

import { api, type GuestLinkMade, type GuestLinkView } from "@conclave/sdk";
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
import { linkStanding } from "../words/people";

const LASTS: readonly { value: string; label: string }[] = [
  { value: "1", label: "1 hour" },
  { value: "8", label: "8 hours" },
  { value: "24", label: "1 day" },
  { value: "168", label: "7 days" },
  { value: "720", label: "30 days" },
];

export function GuestLinks(props: { room: string }): JSX.Element {
  const links = useSignal<GuestLinkView[] | null>(null);
  const made = useSignal<{ label: string; link: GuestLinkMade } | null>(null);
  const trouble = useSignal<string | null>(null);
  const label = useSignal("");
  const lasts = useSignal("24");
  const turns = useTurns();
  const load = async () => {
    trouble.value = null;
    try {
      links.value = (await turns.begin(api.guestLinks(props.room))) ?? links.value;
    } catch (failure) {
      trouble.value = textOf(failure);
    }
  };
  useEffect(() => void load(), [props.room]);
  return (
    <div class="stack guest-links">
      <p class="hint">Each link is for one person. Hosts see its name at the door; the guest still waits, and still needs the password.</p>
      <Form
        submit="Make a link"
        onSubmit={async () => {
          const link = await api.makeGuestLink(props.room, label.value.trim(), Number(lasts.value));
          made.value = { label: label.value.trim(), link };
          label.value = "";
          await load();
        }}
      >
        <Field label="Who is it for?" value={label.value} onInput={(value) => (label.value = value)} required maxLength={80} hint="For example a name and a company. Only hosts see it." />
        <Choice label="Good for" value={lasts.value} options={LASTS} onChange={(value) => (lasts.value = value)} />
      </Form>
      {made.value !== null && (
        <div class="note" role="status">
          <CopyLine label={`Link for ${made.value.label}`} value={new URL(made.value.link.path, location.origin).href} hint="Copy it now: it is not shown again. It works on the first device that opens it." />
        </div>
      )}
      {trouble.value !== null && (
        <p class="alert" role="alert">
          {trouble.value}
        </p>
      )}
      {links.value?.length === 0 && <p class="hint">No guest link has been made.</p>}
      <ul class="lines" aria-label="Guest links">
        {links.value?.map((link) => {
          const standing = linkStanding(link, Date.now());
          return (
            <li class="line" key={link.id}>
              <div class="line-words">
                <p class="line-name">{link.label}</p>
                <p class="line-notes">
                  <Badge tone={standing.good ? "good" : "plain"}>{standing.words}</Badge>
                  <span class="hint">until {new Date(link.expires).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" })}</span>
                </p>
              </div>
              {standing.mayRevoke && (
                <Button
                  small
                  label={`Take back the link for ${link.label}`}
                  onPress={async () => {
                    try {
                      await api.revokeGuestLink(props.room, link.id);
                    } catch (failure) {
                      trouble.value = textOf(failure);
                      return;
                    }
                    if (made.value?.link.id === link.id) made.value = null;
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
