// The sign-in form, on the start page and on the way into a room, with a button for each provider that the operator has set.

import { api, type ProviderView } from "@conclave/sdk";
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { signIn } from "../account";
import { Button } from "../ui/button";
import { textOf } from "../ui/failure";
import { Field } from "../ui/field";
import { Form } from "../ui/form";

export function SignIn(props: { submit?: string }): JSX.Element {
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  return (
    <>
      <Form submit={props.submit ?? "Sign in"} onSubmit={() => signIn(email, password)}>
        <Field label="E-mail" type="email" autocomplete="username" required maxLength={254} value={email} onInput={setEmail} />
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
      <Providers />
    </>
  );
}

function Providers(): JSX.Element | null {
  const providers = useSignal<ProviderView[]>([]);
  const trouble = useSignal<string | null>(null);
  const load = async () => {
    // Without an answer there is still the password.
    providers.value = await api.providers().catch(() => []);
  };
  const leave = async (provider: string) => {
    trouble.value = null;
    try {
      location.assign(await api.leaveToSignIn(provider, location.pathname));
    } catch (failure) {
      trouble.value = textOf(failure);
    }
  };
  useEffect(() => void load(), []);
  if (providers.value.length === 0) return null;
  return (
    <div class="form">
      {trouble.value !== null && (
        <p class="alert" role="alert">
          {trouble.value}
        </p>
      )}
      {providers.value.map((provider) => (
        <Button key={provider.id} wide onPress={() => leave(provider.id)}>
          Sign in with {provider.name}
        </Button>
      ))}
    </div>
  );
}
