// With which providers people sign in: the operator's, to be read, and the organisation's own, to be changed. What follows from what a provider
// says of someone stands in words beside it.

import { control, type Provider, type ProviderLine, type ProviderLines } from "@conclave/sdk";
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { Presence, whilePresent } from "../pages/present";
import { Badge } from "../ui/badge";
import { Button } from "../ui/button";
import { CopyLine } from "../ui/copy";
import { Confirm, Dialog } from "../ui/dialog";
import { useTurns } from "../ui/turns";
import { kindWords, newProviderId, redirectsOf, removalMeans, rulesInWords } from "../words/providers";
import { useAttempts } from "./attempt";
import { ProviderDialog } from "./provider";
import { Trouble } from "./trouble";

type Open = { what: "none" } | { what: "new"; id: string } | { what: "change"; provider: Provider; tag: string } | { what: "remove" | "off"; provider: ProviderLine; tag: string } | { what: "redirects"; provider: ProviderLine };

export function SignInRules(): JSX.Element {
  const lines = useSignal<ProviderLines | null>(null);
  const said = useSignal<string | null>(null);
  const open = useSignal<Open>({ what: "none" });
  const turns = useTurns();
  const { trouble, attempt } = useAttempts();
  const load = () =>
    attempt(async () => {
      lines.value = (await turns.begin(control.providers())) ?? lines.value;
    });
  useEffect(() => void load(), []);
  const close = () => (open.value = { what: "none" });
  /** What that dialog was about is done; another one may be open by now. */
  const done = async (text: string, of: Open) => {
    if (open.peek() === of) close();
    await load();
    said.value = text;
  };
  /** As it is now, with the tag that names that state. */
  const asItIs = (provider: ProviderLine, next: (now: Provider, tag: string) => Open) =>
    attempt(async () => {
      said.value = null;
      const { state, tag } = await control.provider(provider.id);
      open.value = next(state, tag);
    });
  const turn = async (provider: Provider, tag: string, enabled: boolean) => {
    const of = open.peek();
    const changed = await attempt(async () => {
      if ((await whilePresent(() => control.changeProvider(provider.id, tag, { enabled }))) === null) return;
      await done(enabled ? `People can sign in with ${provider.name} again.` : `Nobody signs in with ${provider.name} now, and whoever did is signed out.`, of);
    });
    if (!changed && open.peek() === of) close();
  };
  const all = lines.value;
  const now = open.value;
  const full = all !== null && all.providers.length >= all.most;
  return (
    <div class="stack admin">
      <p class="hint">Besides a password or a passkey people can sign in with what they have elsewhere. A provider only says who somebody is; what they may do here follows from the rules beside it, and only while they come by it.</p>
      <div class="admin-head">
        <Button kind="primary" disabled={all === null || full} onPress={() => (open.value = { what: "new", id: newProviderId() })}>
          Add a provider
        </Button>
        {full && <p class="hint">There are {all.most} providers, as many as fit.</p>}
      </div>
      <p class={said.value === null ? "unseen" : "note"} role="status">
        {said.value}
      </p>
      <Trouble text={trouble.value} again={load} />
      {all === null && trouble.value === null && <p class="hint">One moment.</p>}
      {all?.providers.length === 0 && <p class="admin-empty">People sign in with a password or a passkey. Add a provider to let them use an account that they have elsewhere.</p>}
      <ul class="lines admin-lines" aria-label="Providers">
        {all?.providers.map((provider) => (
          <li class="admin-line" key={provider.id}>
            <div class="line-words">
              <p class="line-name">
                {provider.name} {!provider.own && <Badge>set by the operator</Badge>} {!provider.enabled && <Badge tone="warn">turned off</Badge>} {provider.internal && <Badge>internal network</Badge>} {provider.own && all.providers.some((other) => !other.own && other.issuer === provider.issuer) && <Badge tone="warn">not offered: the operator has this issuer</Badge>}
              </p>
              <p class="admin-address">{provider.issuer}</p>
              <p class="hint">
                {kindWords(provider.kind)}, client {provider.client_id}, {provider.linked === 1 ? "1 account linked" : `${provider.linked} accounts linked`}
              </p>
              <ul class="rule-words">
                {rulesInWords(provider).map((words) => (
                  <li key={words}>{words}</li>
                ))}
              </ul>
            </div>
            <div class="admin-actions">
              <Button small label={`Redirect address of ${provider.name}`} onPress={() => (open.value = { what: "redirects", provider })}>
                Redirect address
              </Button>
              {provider.own && (
                <>
                  <Button small label={`Change ${provider.name}`} onPress={() => asItIs(provider, (state, tag) => ({ what: "change", provider: state, tag }))}>
                    Change
                  </Button>
                  {provider.enabled ? (
                    <Button small label={`Turn off ${provider.name}`} onPress={() => asItIs(provider, (state, tag) => ({ what: "off", provider: { ...provider, ...state }, tag }))}>
                      Turn off
                    </Button>
                  ) : (
                    <Button
                      small
                      label={`Turn on ${provider.name}`}
                      onPress={() =>
                        attempt(async () => {
                          const { state, tag } = await control.provider(provider.id);
                          await turn(state, tag, true);
                        })
                      }
                    >
                      Turn on
                    </Button>
                  )}
                  <Button small kind="danger" label={`Remove ${provider.name}`} onPress={() => asItIs(provider, (state, tag) => ({ what: "remove", provider: { ...provider, ...state }, tag }))}>
                    Remove
                  </Button>
                </>
              )}
            </div>
          </li>
        ))}
      </ul>
      {now.what === "redirects" && (
        <Dialog title={`Register ${now.provider.name}`} onClose={close}>
          <p>Give the provider this address to send people back to, and no other.</p>
          {now.provider.redirects.map((address) => (
            <CopyLine key={address} label="Redirect address" value={address} />
          ))}
        </Dialog>
      )}
      {now.what === "new" && all !== null && (
        <ProviderDialog
          title="Add a provider"
          submit="Add the provider"
          redirects={redirectsOf(now.id, all.origins)}
          onClose={close}
          onSubmit={async (wanted) => {
            const made = await whilePresent(() => control.addProvider({ ...wanted, id: now.id }));
            if (made !== null) await done(`People can sign in with ${made.name} now.`, now);
          }}
        />
      )}
      {now.what === "change" && (
        <ProviderDialog
          title={`Change ${now.provider.name}`}
          submit="Save"
          start={now.provider}
          redirects={now.provider.redirects}
          onClose={close}
          onSubmit={async ({ kind: _kind, issuer: _issuer, ...change }) => {
            const changed = await whilePresent(() => control.changeProvider(now.provider.id, now.tag, change));
            if (changed !== null) await done(`${changed.name} is changed.`, now);
          }}
        />
      )}
      {now.what === "off" && (
        <Confirm
          title={`Turn off ${now.provider.name}?`}
          text="Nobody signs in with it until it is turned on again. Whoever came by it is signed out at once and leaves every meeting."
          confirm="Turn off"
          onClose={close}
          onConfirm={() => turn(now.provider, now.tag, false)}
        />
      )}
      {now.what === "remove" && (
        <Confirm
          title={`Remove ${now.provider.name}?`}
          text={removalMeans(now.provider)}
          confirm="Remove"
          onClose={close}
          onConfirm={async () => {
            const { provider, tag } = now;
            await attempt(async () => {
              const gone = await whilePresent(async () => {
                await control.removeProvider(provider.id, tag);
                return true;
              });
              if (gone === true) await done(`${provider.name} is removed.`, now);
            });
          }}
        />
      )}
      <Presence />
    </div>
  );
}
