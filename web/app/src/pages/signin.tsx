// The sign-in form, on the start page and on the way into a room.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { signIn } from "../account";
import { Field } from "../ui/field";
import { Form } from "../ui/form";

export function SignIn(props: { submit?: string }): JSX.Element {
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  return (
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
  );
}
