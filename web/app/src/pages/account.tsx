// The own account: its ways in, and what elsewhere stands for it. A link needs the password once more, for whoever finds an open browser
// could otherwise keep a way in.

import { api, canUsePasskeys, own, type LinkedIdentity, type PasskeyList, type ProviderList, type ProviderView } from "@conclave/sdk";
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { go } from "../route";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { textOf } from "../ui/failure";
import { Field } from "../ui/field";
import { Form } from "../ui/form";
import { useTurns } from "../ui/turns";
import { Credentials } from "./credentials";
import { Frame } from "./frame";
import { Passkeys, RecoveryCodes } from "./passkeys";
import { PresentDialog } from "./present";
import { Sessions } from "./sessions";

export function AccountPage(): JSX.Element {
  const ways = useSignal<ProviderList>({ providers: [], passkeys: null, reset: false });
  const passkeys = useSignal<PasskeyList | null>(null);
  const identities = useSignal<LinkedIdentity[] | null>(null);
  const trouble = useSignal<string | null>(null);
  const linking = useSignal<ProviderView | null>(null);
  const turns = useTurns();
  const load = async () => {
    trouble.value = null;
    try {
      const found = await turns.begin(Promise.all([api.ways(), api.identities(), own.passkeys()]));
      if (found !== null) [ways.value, identities.value, passkeys.value] = found;
    } catch (failure) {
      trouble.value = textOf(failure);
    }
  };
  const unlink = async (identity: LinkedIdentity) => {
    try {
      await api.unlink(identity.id);
      await load();
    } catch (failure) {
      trouble.value = textOf(failure);
    }
  };
  useEffect(() => void load(), []);
  const { providers } = ways.value;
  const nameOf = (id: string) => providers.find((provider) => provider.id === id)?.name ?? "a provider that is not offered now";
  return (
    <Frame>
      <div class="page-head">
        <div>
          <h1>Your account</h1>
          <p class="lead">How you sign in here, and what you have elsewhere and may sign in with.</p>
        </div>
        <div class="page-actions">
          <Button onPress={() => go("/")}>All rooms</Button>
        </div>
      </div>
      {trouble.value !== null && (
        <p class="alert" role="alert">
          {trouble.value}
        </p>
      )}
      <Credentials />
      {passkeys.value !== null && (
        <>
          <Passkeys list={passkeys.value} usable={canUsePasskeys(ways.value.passkeys)} onChange={load} />
          <RecoveryCodes list={passkeys.value} onChange={load} />
        </>
      )}
      <Sessions />
      <section class="card stack" aria-labelledby="identities">
        <h2 id="identities">Linked identities</h2>
        {identities.value?.length === 0 && <p>{providers.length === 0 ? "There is nothing elsewhere that this server lets in." : "None yet."}</p>}
        <ul class="stack">
          {identities.value?.map((identity) => (
            <li key={identity.id} class="setting option">
              <span>
                {nameOf(identity.provider)}, linked on {new Date(identity.linked).toLocaleDateString("en")}
              </span>
              {identity.only_way ? (
                <span>The only way into this account</span>
              ) : (
                <Button small kind="danger" label={`Unlink ${nameOf(identity.provider)}`} onPress={() => unlink(identity)}>
                  Unlink
                </Button>
              )}
            </li>
          ))}
        </ul>
        <div class="page-actions">
          {providers.map((provider) => (
            <Button key={provider.id} onPress={() => (linking.value = provider)}>
              Link {provider.name}
            </Button>
          ))}
        </div>
      </section>
      <PresentDialog passkey={passkeys.value !== null && passkeys.value.passkeys.length > 0 && canUsePasskeys(ways.value.passkeys)} />
      {linking.value !== null && <LinkDialog provider={linking.value} onClose={() => (linking.value = null)} />}
    </Frame>
  );
}

function LinkDialog(props: { provider: ProviderView; onClose: () => void }): JSX.Element {
  const password = useSignal("");
  return (
    <Dialog title={`Link ${props.provider.name}`} onClose={props.onClose}>
      <p>Whoever signs in as you there will be you here. Give the password of your account here once more.</p>
      <Form submit="Go on" onSubmit={async () => location.assign(await api.leaveToLink(props.provider.id, password.value, "/account"))}>
        <Field
          label="Password of your account"
          type="password"
          autocomplete="current-password"
          required
          maxLength={256}
          value={password.value}
          onInput={(text) => (password.value = text)}
        />
      </Form>
    </Dialog>
  );
}
