// One own room on the start page: open it, hand on its link, show its password, set it up, delete it.

import { api, CallFailed, type RoomEntry, type RoomMade, type RoomPassword } from "@conclave/sdk";
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { go } from "../route";
import { Button } from "../ui/button";
import { CopyLine, PasswordLine } from "../ui/copy";
import { Confirm, Dialog } from "../ui/dialog";
import { textOf } from "../ui/failure";

export interface RoomCardProps {
  room: RoomEntry;
  /** The room as it was just made, with its password. */
  fresh: RoomMade | null;
  onGone: () => void;
}

export function RoomCard(props: RoomCardProps): JSX.Element {
  const { room } = props;
  const path = `/r/${room.id}`;
  // A host who is not the owner does all else from inside the meeting.
  const owner = room.role === "owner";
  const open = useSignal<"none" | "invite" | "delete">("none");
  const close = () => (open.value = "none");
  return (
    <li class="card room-card">
      <div class="room-card-head">
        <h2>{room.title}</h2>
        <p class="hint">{owner ? "" : "You are a host here. "}Created {new Date(room.created).toLocaleDateString(undefined, { dateStyle: "medium" })}</p>
      </div>
      <div class="room-card-actions">
        <Button kind="primary" onPress={() => go(path)} label={`Open ${room.title}`}>
          Open
        </Button>
        <Button onPress={() => (open.value = "invite")} label={`${owner ? "Link and password" : "Link"} of ${room.title}`}>
          {owner ? "Link and password" : "Link"}
        </Button>
        {owner && (
          <>
            <Button onPress={() => go(`${path}/settings`)} label={`Settings of ${room.title}`}>
              Settings
            </Button>
            <Button kind="quiet" onPress={() => (open.value = "delete")} label={`Delete ${room.title}`}>
              Delete
            </Button>
          </>
        )}
      </div>
      {open.value === "invite" && (
        <Dialog title={owner ? "Link and password" : "Link"} onClose={close}>
          <RoomInvitation room={room.id} known={props.fresh?.password} mayRead={owner} />
        </Dialog>
      )}
      {open.value === "delete" && (
        <Confirm
          title={`Delete ${room.title}?`}
          text="Its link stops working and a running meeting in it ends. This cannot be undone."
          confirm="Delete the room"
          onConfirm={async () => {
            await api.deleteRoom(room.id);
            props.onGone();
          }}
          onClose={close}
        />
      )}
    </li>
  );
}

/** The link of a room, and its password on demand: it is fetched only when someone wants to see it. */
export function RoomInvitation(props: { room: string; known?: string | undefined; mayRead: boolean }): JSX.Element {
  const password = useSignal<string | null | undefined>(props.known);
  const seen = useSignal<RoomPassword | null>(null);
  const trouble = useSignal<string | null>(null);
  const attempt = async (work: () => Promise<RoomPassword>) => {
    trouble.value = null;
    try {
      seen.value = await work();
      password.value = seen.value.password;
    } catch (failure) {
      trouble.value = textOf(failure);
      // Someone else made another meanwhile: what stands here opens nothing any more.
      if (failure instanceof CallFailed && failure.code === "stale") password.value = undefined;
    }
  };
  return (
    <div class="stack">
      <CopyLine label="Invitation link" value={new URL(`/r/${props.room}`, location.origin).href} hint="The password is never part of the link. Send it another way." />
      {password.value === undefined && props.mayRead && <Button onPress={() => attempt(() => api.roomPassword(props.room))}>Show the password</Button>}
      {password.value === null && <p class="hint">This room has no password.</p>}
      {typeof password.value === "string" && (
        <>
          <PasswordLine label="Room password" value={password.value} />
          <Button small onPress={() => attempt(() => api.newRoomPassword(props.room, seen.value))}>
            Make a new password
          </Button>
        </>
      )}
      {trouble.value !== null && (
        <p class="alert" role="alert">
          {trouble.value}
        </p>
      )}
    </div>
  );
}
