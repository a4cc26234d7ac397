// The ways back into an account whose password is forgotten, and the proof of an address. The secrets came in the fragment and are posted;
// nothing is done by opening a page.

import { own } from "@conclave/sdk";
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { account } from "../account";
import { go } from "../route";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { textOf } from "../ui/failure";
import { Field } from "../ui/field";
import { Form } from "../ui/form";
import { SHORTEST_PASSWORD } from "../words/session";
import { Frame } from "./frame";
import { MessagePage } from "./message";

export function ForgotDialog(props: { mail: boolean; onClose: () => void }): JSX.Element {
  const email = useSignal("");
  const sent = useSignal(false);
  if (!props.mail) {
    return (
      <Dialog title="Forgot your password?" onClose={props.onClose}>
        <p>This server sends no mail. Ask an administrator for a link to a new password.</p>
        <div class="dialog-actions">
          <Button kind="primary" autofocus onPress={props.onClose}>
            Close
          </Button>
        </div>
      </Dialog>
    );
  }
  return (
    <Dialog title="Forgot your password?" onClose={props.onClose}>
      {sent.value ? (
        <>
          <p role="status">If there is an account with this address, and it was confirmed, a mail is on its way. The link in it works for half an hour, once.</p>
          <p class="hint">No mail? Look among the unwanted ones, or ask an administrator.</p>
          <div class="dialog-actions">
            <Button kind="primary" autofocus onPress={props.onClose}>
              Close
            </Button>
          </div>
        </>
      ) : (
        <Form
          submit="Send a link"
          onSubmit={async () => {
            await own.askReset(email.value);
            sent.value = true;
          }}
        >
          <Field label="E-mail of your account" type="email" autocomplete="username" required maxLength={254} value={email.value} onInput={(text) => (email.value = text)} autofocus />
        </Form>
      )}
    </Dialog>
  );
}

export function ResetPage(props: { token: string }): JSX.Element {
  const password = useSignal("");
  const done = useSignal(false);
  if (props.token === "") return <Incomplete />;
  if (done.value) {
    return (
      <MessagePage title="Your password is changed" text="All sessions of your account are over. Sign in with the new password.">
        <Button kind="primary" onPress={() => go("/")}>
          Sign in
        </Button>
      </MessagePage>
    );
  }
  return (
    <Frame narrow>
      <section class="card">
        <h1>Choose a new password</h1>
        <p class="lead">It takes the place of the old one, and every session of your account ends.</p>
        <Form
          submit="Change the password"
          onSubmit={async () => {
            await own.finishReset(props.token, password.value);
            account.value = null;
            done.value = true;
          }}
          help={<p>If the link was used or is too old, ask for a new one on the sign-in page.</p>}
        >
          <NewPasswordField password={password.value} onInput={(text) => (password.value = text)} autofocus />
        </Form>
      </section>
    </Frame>
  );
}

export function NewPasswordField(props: { password: string; onInput: (text: string) => void; autofocus?: boolean }): JSX.Element {
  return (
    <Field
      label="New password"
      type="password"
      autocomplete="new-password"
      required
      minLength={SHORTEST_PASSWORD}
      maxLength={256}
      value={props.password}
      onInput={props.onInput}
      hint={`At least ${SHORTEST_PASSWORD} characters. A few unrelated words are good.`}
      {...(props.autofocus === true ? { autofocus: true } : {})}
    />
  );
}

export function VerifyPage(props: { token: string }): JSX.Element {
  const done = useSignal(false);
  const trouble = useSignal<string | null>(null);
  if (props.token === "") return <Incomplete />;
  if (done.value) {
    return (
      <MessagePage title="Your address is confirmed" text="From now on a forgotten password can be changed by mail, and you are told when something happens to your account.">
        <Button kind="primary" onPress={() => go("/account")}>
          To your account
        </Button>
      </MessagePage>
    );
  }
  const confirm = async () => {
    trouble.value = null;
    try {
      await own.finishVerify(props.token);
      done.value = true;
    } catch (failure) {
      trouble.value = textOf(failure);
    }
  };
  return (
    <MessagePage title="Confirm your address" text="Press the button if you gave this address for your account here.">
      {trouble.value !== null && (
        <p class="alert" role="alert">
          {trouble.value}
        </p>
      )}
      <Button kind="primary" onPress={confirm}>
        Confirm
      </Button>
    </MessagePage>
  );
}

function Incomplete(): JSX.Element {
  return (
    <MessagePage title="This link is not complete" text="Open the whole link as you received it. After a reload it has to be opened again, because its secret is not kept in the address bar.">
      <Button kind="primary" onPress={() => go("/")}>
        To the start page
      </Button>
    </MessagePage>
  );
}
