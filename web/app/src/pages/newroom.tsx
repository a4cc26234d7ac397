// Making a room: a title, then its link and, separately, its password.

import { api, type RoomMade } from "@conclave/sdk";
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { go } from "../route";
import { Button } from "../ui/button";
import { CopyLine, PasswordLine } from "../ui/copy";
import { Dialog } from "../ui/dialog";
import { Field } from "../ui/field";
import { Form } from "../ui/form";

export function NewRoomDialog(props: { onClose: () => void; onMade: (room: RoomMade) => void }): JSX.Element {
  const [title, setTitle] = useState("");
  const [made, setMade] = useState<RoomMade | null>(null);
  const create = async () => {
    const room = await api.createRoom(title);
    setMade(room);
    props.onMade(room);
  };
  if (made !== null) {
    return (
      <Dialog title={made.title} onClose={props.onClose}>
        <p>The room is ready, with every setting at its strictest. Send the link and the password on two different ways.</p>
        <CopyLine label="Invitation link" value={new URL(made.path, location.origin).href} />
        <PasswordLine label="Room password" value={made.password} hint="Made to be read aloud: four groups of three syllables, with a dash between the groups." />
        <div class="dialog-actions">
          <Button onPress={props.onClose}>Done</Button>
          <Button kind="primary" onPress={() => go(made.path)}>
            Open the room
          </Button>
        </div>
      </Dialog>
    );
  }
  return (
    <Dialog title="New room" onClose={props.onClose}>
      <Form submit="Create room" onSubmit={create}>
        <Field label="Title" value={title} onInput={setTitle} required maxLength={100} hint="Only people who were let in see it." autofocus />
      </Form>
    </Dialog>
  );
}
