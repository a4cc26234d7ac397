// Accepting an invitation: the token came in the fragment and is posted; it makes one account, once.

import { api } from "@conclave/sdk";
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { account } from "../account";
import { go } from "../route";
import { Button } from "../ui/button";
import { Field } from "../ui/field";
import { Form } from "../ui/form";
import { useHere } from "../ui/here";
import { SHORTEST_PASSWORD } from "../words/session";
import { Frame } from "./frame";
import { MessagePage } from "./message";

export function InvitationPage(props: { token: string }): JSX.Element {
  const [email, setEmail] = useState("");
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const here = useHere();
  if (props.token === "") {
    return (
      <MessagePage
        title="This invitation is not complete"
        text="Open the whole link as you received it. After a reload it has to be opened again, because its secret is not kept in the address bar."
      >
        <Button kind="primary" onPress={() => go("/")}>
          To the start page
        </Button>
      </MessagePage>
    );
  }
  const accept = async () => {
    account.value = await api.acceptInvitation(props.token, email, name, password);
    if (!here.aborted) go("/");
  };
  return (
    <Frame narrow>
      <section class="card">
        <h1>Welcome</h1>
        <p class="lead">This link makes you an account, and works once.</p>
        <Form submit="Make my account" onSubmit={accept} help={<p>If the link was used or is too old, ask for a new one.</p>}>
          <Field label="Your name" autocomplete="name" required maxLength={64} value={name} onInput={setName} hint="Others in a meeting see it." autofocus />
          <Field label="E-mail" type="email" autocomplete="username" required maxLength={254} value={email} onInput={setEmail} hint="You sign in with it. Nobody else sees it." />
          <Field
            label="Choose a password"
            type="password"
            autocomplete="new-password"
            required
            minLength={SHORTEST_PASSWORD}
            maxLength={256}
            value={password}
            onInput={setPassword}
            hint={`At least ${SHORTEST_PASSWORD} characters. A few unrelated words are good.`}
          />
        </Form>
      </section>
    </Frame>
  );
}
