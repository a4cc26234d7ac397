// The address and the password of the own account.

import { own, type AccountView } from "@conclave/sdk";
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { account } from "../account";
import { Badge } from "../ui/badge";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { textOf } from "../ui/failure";
import { Field } from "../ui/field";
import { Form } from "../ui/form";
import { useHere } from "../ui/here";
import { useTurns } from "../ui/turns";
import { whilePresent } from "./present";
import { NewPasswordField } from "./reset";

export function Credentials(): JSX.Element {
  const at = useSignal<AccountView | null>(null);
  const open = useSignal<"none" | "email" | "password">("none");
  const said = useSignal<string | null>(null);
  const trouble = useSignal<string | null>(null);
  const turns = useTurns();
  const load = async () => {
    try {
      at.value = (await turns.begin(own.address())) ?? at.value;
    } catch (failure) {
      trouble.value = textOf(failure);
    }
  };
  useEffect(() => void load(), []);
  const verify = async () => {
    trouble.value = null;
    try {
      await own.sendVerify();
      said.value = "A mail with a link is on its way.";
    } catch (failure) {
      trouble.value = textOf(failure);
    }
  };
  const { email, verified, mail } = at.value ?? { email: null, verified: false, mail: false };
  const close = () => (open.value = "none");
  return (
    <section class="card stack" aria-labelledby="credentials">
      <h2 id="credentials">E-mail and password</h2>
      {trouble.value !== null && (
        <p class="alert" role="alert">
          {trouble.value}
        </p>
      )}
      {said.value !== null && <p role="status">{said.value}</p>}
      {at.value !== null && (
        <div class="own-line">
          <div class="own-what">
            <strong>{email ?? "No address: you came by a provider"}</strong>
            {email !== null && (verified ? <Badge tone="good">Confirmed</Badge> : <Badge tone="warn">Not confirmed</Badge>)}
            {email !== null && !verified && <span class="hint">{mail ? "Confirm it, so that a forgotten password can be changed by mail." : "This server sends no mail. An administrator can make a link to confirm it."}</span>}
          </div>
          <div class="own-acts">
            {mail && email !== null && !verified && (
              <Button small onPress={verify}>
                Send a link
              </Button>
            )}
            {mail && (
              <Button small onPress={() => (open.value = "email")}>
                Change address
              </Button>
            )}
          </div>
        </div>
      )}
      {email !== null && <Button onPress={() => (open.value = "password")}>Change password</Button>}
      {open.value === "email" && (
        <EmailDialog
          onClose={close}
          onSent={(to) => {
            said.value = `A mail with a link is on its way to ${to}. The address changes when it is opened.`;
          }}
        />
      )}
      {open.value === "password" && <PasswordDialog onClose={close} onChanged={() => (said.value = "Your password is changed, and all other sessions are over.")} />}
    </section>
  );
}

function EmailDialog(props: { onSent: (to: string) => void; onClose: () => void }): JSX.Element {
  const email = useSignal("");
  const here = useHere();
  return (
    <Dialog title="Change your address" onClose={props.onClose}>
      <p>You get a link at the new address. Until it is opened you sign in with the old one.</p>
      <Form
        submit="Send a link"
        onSubmit={async () => {
          const sent = await whilePresent(async () => {
            await own.changeEmail(email.value);
            return true;
          });
          if (sent === true) props.onSent(email.value);
          if (!here.aborted) props.onClose();
        }}
      >
        <Field label="New e-mail" type="email" autocomplete="email" required maxLength={254} value={email.value} onInput={(text) => (email.value = text)} autofocus />
      </Form>
    </Dialog>
  );
}

function PasswordDialog(props: { onChanged: () => void; onClose: () => void }): JSX.Element {
  const password = useSignal("");
  const here = useHere();
  return (
    <Dialog title="Change your password" onClose={props.onClose}>
      <p>Every other session of your account ends.</p>
      <Form
        submit="Change the password"
        onSubmit={async () => {
          const me = await whilePresent(() => own.changePassword(password.value));
          if (me !== null) {
            account.value = me;
            props.onChanged();
          }
          if (!here.aborted) props.onClose();
        }}
      >
        <NewPasswordField password={password.value} onInput={(text) => (password.value = text)} autofocus />
      </Form>
    </Dialog>
  );
}
