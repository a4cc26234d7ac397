// Passkeys of the own account, and the recovery codes for the day on which they are lost.

import { CallFailed, own, type PasskeyList, type PasskeyView } from "@conclave/sdk";
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { account } from "../account";
import { Badge } from "../ui/badge";
import { Button } from "../ui/button";
import { Confirm, Dialog } from "../ui/dialog";
import { textOf } from "../ui/failure";
import { Field } from "../ui/field";
import { Form } from "../ui/form";
import { useHere } from "../ui/here";
import { saveAs } from "../ui/save";
import { dayOf } from "../words/times";
import { whilePresent } from "./present";

export function Passkeys(props: { list: PasskeyList; usable: boolean; onChange: () => Promise<void> }): JSX.Element {
  const { passkeys } = props.list;
  const open = useSignal<"none" | "add">("none");
  const naming = useSignal<PasskeyView | null>(null);
  const removing = useSignal<PasskeyView | null>(null);
  const trouble = useSignal<string | null>(null);
  const remove = async (passkey: PasskeyView) => {
    trouble.value = null;
    try {
      await whilePresent(() => own.removePasskey(passkey.id));
      await props.onChange();
    } catch (failure) {
      trouble.value = textOf(failure);
    }
  };
  return (
    <section class="card stack" aria-labelledby="passkeys">
      <h2 id="passkeys">Passkeys</h2>
      <p class="hint">With a passkey you sign in by finger, face or PIN of your device, and with nothing to type or to be tricked out of. From the first one on your password alone no longer opens your account.</p>
      {trouble.value !== null && (
        <p class="alert" role="alert">
          {trouble.value}
        </p>
      )}
      {account.value?.kind === "account" && account.value.second_factor === "missing" && (
        <p class="note">Your organisation asks hosts and administrators for a second factor, and you have not shown one since you signed in. A passkey is one: you are asked to show it when you lead something.</p>
      )}
      {passkeys.length === 0 && <p>You have no passkey yet.</p>}
      <ul class="own-list" hidden={passkeys.length === 0}>
        {passkeys.map((passkey) => (
          <li key={passkey.id} class="own-line">
            <div class="own-what">
              <strong>{passkey.name}</strong>
              {passkey.copied !== null && <Badge tone="warn">Opens nothing any more</Badge>}
              <span class="hint">
                Added {dayOf(passkey.made)}, {passkey.used === null ? "not used yet" : `last used ${dayOf(passkey.used)}`}
              </span>
              {passkey.copied !== null && <span class="hint">Something came with a copy of it on {dayOf(passkey.copied)}. Remove it and make a new one.</span>}
            </div>
            <div class="own-acts">
              <Button small label={`Rename ${passkey.name}`} onPress={() => (naming.value = passkey)}>
                Rename
              </Button>
              <Button small kind="danger" label={`Remove ${passkey.name}`} onPress={() => (removing.value = passkey)}>
                Remove
              </Button>
            </div>
          </li>
        ))}
      </ul>
      {props.usable ? (
        <Button kind={passkeys.length === 0 ? "primary" : "plain"} onPress={() => (open.value = "add")}>
          Add a passkey
        </Button>
      ) : (
        <p class="hint">Passkeys cannot be used under the address of this page.</p>
      )}
      {open.value === "add" && (
        <NameDialog
          title="Add a passkey"
          text="Give it a name by which you know it again, such as the device it is on. Then your browser asks for it."
          submit="Go on"
          name=""
          onClose={() => (open.value = "none")}
          onName={async (name, here) => {
            const added = await whilePresent(() => own.addPasskey(name, here));
            if (added === null) throw new CallFailed("internal", "No passkey was made. Try again.");
            await props.onChange();
          }}
        />
      )}
      {naming.value !== null && (
        <NameDialog
          title="Rename a passkey"
          text="Only you see this name."
          submit="Keep"
          name={naming.value.name}
          onClose={() => (naming.value = null)}
          onName={async (name) => {
            if (naming.value !== null) await own.renamePasskey(naming.value.id, name);
            await props.onChange();
          }}
        />
      )}
      {removing.value !== null && (
        <Confirm
          title={`Remove ${removing.value.name}?`}
          text={
            passkeys.length === 1
              ? "It no longer opens your account, and whatever else is signed in with it is signed out. It is your last one: then your password alone opens it."
              : "It no longer opens your account, and whatever else is signed in with it is signed out. On your device it stays until you delete it there."
          }
          confirm="Remove"
          onConfirm={() => removing.value !== null && remove(removing.value)}
          onClose={() => (removing.value = null)}
        />
      )}
    </section>
  );
}

function NameDialog(props: { title: string; text: string; submit: string; name: string; onName: (name: string, here: AbortSignal) => Promise<void>; onClose: () => void }): JSX.Element {
  const name = useSignal(props.name);
  const here = useHere();
  return (
    <Dialog title={props.title} onClose={props.onClose}>
      <p>{props.text}</p>
      <Form
        submit={props.submit}
        onSubmit={async () => {
          await props.onName(name.value, here);
          if (!here.aborted) props.onClose();
        }}
      >
        <Field label="Name of the passkey" required maxLength={64} value={name.value} onInput={(text) => (name.value = text)} autofocus />
      </Form>
    </Dialog>
  );
}

export function RecoveryCodes(props: { list: PasskeyList; onChange: () => Promise<void> }): JSX.Element {
  const { passkeys, codes_left: left, codes_made: made, code_used: used } = props.list;
  const codes = useSignal<string[] | null>(null);
  const trouble = useSignal<string | null>(null);
  const make = async () => {
    trouble.value = null;
    try {
      codes.value = await whilePresent(() => own.makeRecoveryCodes());
      await props.onChange();
    } catch (failure) {
      trouble.value = textOf(failure);
    }
  };
  return (
    <section class="card stack" aria-labelledby="codes">
      <h2 id="codes">Recovery codes</h2>
      <p class="hint">Each stands in for a lost passkey once, together with your password.</p>
      {trouble.value !== null && (
        <p class="alert" role="alert">
          {trouble.value}
        </p>
      )}
      {used !== null && (
        <p class="alert" role="status">
          A code was used last on {dayOf(used)}. If that was not you, change your password and make new codes.
        </p>
      )}
      {made === null ? <p>You have no recovery codes.{passkeys.length > 0 && " Make some: without them a lost passkey locks you out."}</p> : <p>{left === 1 ? "1 code is" : `${left} codes are`} left of those made {dayOf(made)}.</p>}
      <Button kind={passkeys.length > 0 && left === 0 ? "primary" : "plain"} onPress={make}>
        {made === null ? "Make recovery codes" : "Make new codes"}
      </Button>
      {codes.value !== null && (
        <Dialog title="Your recovery codes" onClose={() => (codes.value = null)}>
          <p>They are shown this once. Keep them where you find them without this device. Earlier codes are over.</p>
          <ul class="codes" aria-label="Recovery codes">
            {codes.value.map((code) => (
              <li key={code}>
                <code>{code}</code>
              </li>
            ))}
          </ul>
          <div class="dialog-actions">
            <Button onPress={() => saveAs(new Blob([`${codes.value?.join("\n") ?? ""}\n`], { type: "text/plain" }), "conclave-recovery-codes.txt")}>Save as a file</Button>
            <Button kind="primary" onPress={() => (codes.value = null)}>
              I have kept them
            </Button>
          </div>
        </Dialog>
      )}
    </section>
  );
}
