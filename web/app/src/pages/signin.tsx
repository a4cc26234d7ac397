// The sign-in form, on the start page and on the way into a room: the password and what may be asked for beside it, a passkey alone, and
// a button for each provider that the operator has set.

import { api, canUsePasskeys, own, type ProviderList, type SecondFactorAsked } from "@conclave/sdk";
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { account, signIn } from "../account";
import { Button } from "../ui/button";
import { textOf } from "../ui/failure";
import { Field } from "../ui/field";
import { Form } from "../ui/form";
import { useHere } from "../ui/here";
import { ForgotDialog } from "./reset";

const NO_WAYS: ProviderList = { providers: [], passkeys: null, reset: false };

export function SignIn(props: { submit?: string }): JSX.Element {
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const asked = useSignal<SecondFactorAsked | null>(null);
  if (asked.value !== null) return <SecondFactor asked={asked.value} onBack={() => (asked.value = null)} />;
  const why = api.whyEnded();
  return (
    <>
      {why !== null && (
        <p class="alert" role="alert">
          {why}
        </p>
      )}
      <Form
        submit={props.submit ?? "Sign in"}
        onSubmit={async () => {
          asked.value = await signIn(email, password);
        }}
      >
        <Field label="E-mail" type="email" autocomplete="username webauthn" required maxLength={254} value={email} onInput={setEmail} />
        <Field
          label="Password of your account"
          type="password"
          autocomplete="current-password"
          required
          maxLength={256}
          value={password}
          onInput={setPassword}
        />
      </Form>
      <OtherWays />
    </>
  );
}

function OtherWays(): JSX.Element {
  const ways = useSignal(NO_WAYS);
  const trouble = useSignal<string | null>(null);
  const forgot = useSignal(false);
  const here = useHere();
  const load = async () => {
    // Without an answer there is still the password.
    ways.value = await api.ways().catch(() => NO_WAYS);
  };
  const attempt = async (way: () => Promise<void>) => {
    trouble.value = null;
    try {
      await way();
    } catch (failure) {
      trouble.value = textOf(failure);
    }
  };
  const byPasskey = async () => {
    const me = await own.signInByPasskey(here);
    if (me === null) trouble.value = CALLED_OFF;
    else account.value = me;
  };
  useEffect(() => void load(), []);
  const { providers, passkeys, reset } = ways.value;
  return (
    <div class="form">
      {trouble.value !== null && (
        <p class="alert" role="alert">
          {trouble.value}
        </p>
      )}
      {canUsePasskeys(passkeys) && (
        <Button wide onPress={() => attempt(byPasskey)}>
          Sign in with a passkey
        </Button>
      )}
      {providers.map((provider) => (
        <Button key={provider.id} wide onPress={() => attempt(async () => location.assign(await api.leaveToSignIn(provider.id, location.pathname)))}>
          Sign in with {provider.name}
        </Button>
      ))}
      {forgot.value ? (
        <ForgotDialog mail={reset} onClose={() => (forgot.value = false)} />
      ) : (
        <Button kind="quiet" wide onPress={() => (forgot.value = true)}>
          Forgot your password?
        </Button>
      )}
    </div>
  );
}

const CALLED_OFF = "No passkey was used. Try again, or sign in another way.";

/** The password was right: now the passkey, or a code for the day on which it is lost. */
function SecondFactor(props: { asked: SecondFactorAsked; onBack: () => void }): JSX.Element {
  const { asked } = props;
  const trouble = useSignal<string | null>(null);
  const byCode = useSignal(asked.options === null);
  const code = useSignal("");
  const here = useHere();
  const byPasskey = async () => {
    trouble.value = null;
    try {
      const me = await own.factorByPasskey(asked, here);
      if (me === null) trouble.value = CALLED_OFF;
      else account.value = me;
    } catch (failure) {
      trouble.value = textOf(failure);
    }
  };
  return (
    <div class="form">
      <p role="status">Your password is right. This account asks for one thing more.</p>
      {trouble.value !== null && (
        <p class="alert" role="alert">
          {trouble.value}
        </p>
      )}
      {byCode.value ? (
        <Form
          submit="Go on"
          onSubmit={async () => {
            account.value = await own.factorByCode(asked, code.value);
          }}
          help={<p>Each code works once. Without passkey and codes an administrator can help.</p>}
        >
          <Field
            label="Recovery code"
            autocomplete="one-time-code"
            plainText
            required
            maxLength={64}
            value={code.value}
            onInput={(text) => (code.value = text)}
            hint="Sixteen letters and digits, as they were shown to you."
            autofocus
          />
        </Form>
      ) : (
        <>
          <Button wide kind="primary" autofocus onPress={byPasskey}>
            Use your passkey
          </Button>
          {asked.codes && (
            <Button wide onPress={() => (byCode.value = true)}>
              Use a recovery code
            </Button>
          )}
        </>
      )}
      <Button kind="quiet" wide onPress={props.onBack}>
        Back
      </Button>
    </div>
  );
}
