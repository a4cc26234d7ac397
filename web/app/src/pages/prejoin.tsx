// The way in: who am I, camera and microphone, the room's password. It asks the server nothing about the room.

import { api, type Closed } from "@conclave/sdk";
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { account, identityFor, trySignOut } from "../account";
import { Preview } from "../devices/preview";
import { Button } from "../ui/button";
import { Field } from "../ui/field";
import { Form } from "../ui/form";
import { Frame } from "./frame";
import { SignIn } from "./signin";

export interface PrejoinProps {
  room: string;
  /** The secret of a guest link, when the person came by one. */
  link?: string | undefined;
  refusal: Closed | null;
  onJoin: (password: string | undefined) => void;
}

export function PrejoinPage(props: PrejoinProps): JSX.Element {
  const me = identityFor(props.room, account.value);
  return (
    <Frame>
      <div class="page-head">
        <div>
          <h1>Before you go in</h1>
          <p class="lead">Check how you look and sound. You go in muted, with your camera off.</p>
        </div>
      </div>
      <div class="prejoin">
        <Preview pickers />
        <section class="card">
          {props.refusal !== null && <Refusal refusal={props.refusal} />}
          {me === null ? <WhoAreYou room={props.room} link={props.link === "" ? undefined : props.link} /> : <Knock onJoin={props.onJoin} room={props.room} />}
        </section>
      </div>
    </Frame>
  );
}

/** Moves the focus to itself, so that it is seen on a small screen and heard by those who listen. */
function Refusal(props: { refusal: Closed }): JSX.Element {
  const alert = useRef<HTMLDivElement>(null);
  useEffect(() => alert.current?.focus(), [props.refusal]);
  const more = advice(props.refusal);
  return (
    <div class="alert" role="alert" tabIndex={-1} ref={alert}>
      <p>{props.refusal.text}</p>
      {more !== null && <p class="hint">{more}</p>}
    </div>
  );
}

function Knock(props: { room: string; onJoin: PrejoinProps["onJoin"] }): JSX.Element {
  const password = useSignal("");
  const me = identityFor(props.room, account.value);
  return (
    <>
      <h2>Knock at the room</h2>
      <p class="whoami">
        You go in as <strong>{me?.name}</strong>
        {me?.kind === "guest" ? ", a guest whose name is not verified." : ", signed in."}{" "}
        <Button small kind="quiet" onPress={trySignOut}>
          Not you?
        </Button>
      </p>
      <Form submit="Ask to come in" onSubmit={async () => props.onJoin(password.value === "" ? undefined : password.value.trim())}>
        <Field
          label="Room password"
          value={password.value}
          onInput={(value) => (password.value = value)}
          maxLength={256}
          plainText
          hint="You get it from whoever invited you, apart from the link. Owners and hosts of the room can leave it empty."
        />
      </Form>
    </>
  );
}

function WhoAreYou(props: { room: string; link: string | undefined }): JSX.Element {
  const way = useSignal<"account" | "guest">(props.link === undefined ? "account" : "guest");
  const name = useSignal("");
  return (
    <>
      <h2>Who are you?</h2>
      <div class="segments" role="group" aria-label="How you go in">
        <Button pressed={way.value === "account"} onPress={() => (way.value = "account")}>
          With my account
        </Button>
        <Button pressed={way.value === "guest"} onPress={() => (way.value = "guest")}>
          As a guest
        </Button>
      </div>
      {way.value === "account" ? (
        <SignIn />
      ) : (
        <Form
          submit="Go on as a guest"
          onSubmit={async () => {
            account.value = await api.enterAsGuest(props.room, name.value, props.link);
          }}
        >
          <Field
            label="Your name"
            autocomplete="name"
            required
            maxLength={64}
            value={name.value}
            onInput={(value) => (name.value = value)}
            hint={props.link === undefined ? "Hosts see it as “guest, unverified”. Not every room lets guests knock." : "Hosts see it, and whom your link was made for. The link works on this device from now on."}
          />
        </Form>
      )}
    </>
  );
}

function advice(refusal: Closed): string | null {
  switch (refusal.code) {
    case "cannot_join":
      return "Check the password with whoever invited you, and whether the room takes guests. For your safety and theirs the server does not say which it was.";
    case "already_here":
      return "Close the other tab or device first. A connection that just broke is given up after 15 seconds.";
    case "room_full":
      return "Try again when someone has left.";
    default:
      return null;
  }
}
