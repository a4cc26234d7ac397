// The start page: sign in; then the own rooms, a new room, and for admins an invitation for a member.

import { api, type RoomMade, type RoomEntry } from "@conclave/sdk";
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { account } from "../account";
import { go } from "../route";
import { Button } from "../ui/button";
import { textOf } from "../ui/failure";
import { useTurns } from "../ui/turns";
import { Frame } from "./frame";
import { InviteDialog } from "./invite";
import { NewRoomDialog } from "./newroom";
import { Presence } from "./present";
import { RoomCard } from "./roomcard";
import { SignIn } from "./signin";

export function HomePage(): JSX.Element {
  const me = account.value;
  if (me?.kind !== "account") {
    return (
      <Frame narrow>
        <section class="card">
          <h1>Sign in</h1>
          <p class="lead">Accounts are made by invitation. If you were given the link of a room, open that link instead.</p>
          <SignIn />
        </section>
      </Frame>
    );
  }
  return <Rooms mayCreate={me.may_create_rooms} admin={me.admin} name={me.name} />;
}

function Rooms(props: { mayCreate: boolean; admin: boolean; name: string }): JSX.Element {
  const rooms = useSignal<RoomEntry[] | null>(null);
  const trouble = useSignal<string | null>(null);
  const open = useSignal<"none" | "room" | "invite">("none");
  const fresh = useSignal<RoomMade | null>(null);
  const turns = useTurns();
  const load = async () => {
    trouble.value = null;
    try {
      rooms.value = (await turns.begin(api.rooms())) ?? rooms.value;
    } catch (failure) {
      trouble.value = textOf(failure);
    }
  };
  useEffect(() => void load(), []);
  const create = props.mayCreate || props.admin;
  return (
    <Frame>
      <div class="page-head">
        <div>
          <h1>Your rooms</h1>
          <p class="lead">A room opens with a link and a password, and behind the door you decide who comes in.</p>
        </div>
        <div class="page-actions">
          {props.admin && <Button onPress={() => go("/organisation")}>Organisation</Button>}
          {props.admin && <Button onPress={() => (open.value = "invite")}>Invite a member</Button>}
          {create && (
            <Button kind="primary" onPress={() => (open.value = "room")}>
              New room
            </Button>
          )}
        </div>
      </div>
      {trouble.value !== null && (
        <div class="alert" role="alert">
          <p>{trouble.value}</p>
          <Button small onPress={load}>
            Try again
          </Button>
        </div>
      )}
      {rooms.value?.length === 0 && (
        <section class="card empty">
          <h2>No rooms yet</h2>
          <p>{create ? "Create your first room. Every setting starts at its strictest." : "Rooms that you host appear here. Ask an administrator for the right to create rooms."}</p>
        </section>
      )}
      <ul class="room-list">
        {rooms.value?.map((room) => (
          <RoomCard key={room.id} room={room} fresh={fresh.value?.id === room.id ? fresh.value : null} onGone={load} />
        ))}
      </ul>
      {open.value === "room" && (
        <NewRoomDialog
          onClose={() => (open.value = "none")}
          onMade={(made) => {
            fresh.value = made;
            void load();
          }}
        />
      )}
      {open.value === "invite" && <InviteDialog onClose={() => (open.value = "none")} />}
      {props.admin && <Presence />}
    </Frame>
  );
}
