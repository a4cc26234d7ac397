// The own name and picture. By default a host approves them first, and until then everyone goes on seeing the old ones.

import { api } from "@conclave/sdk";
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useId, useRef } from "preact/hooks";
import { Avatar } from "../ui/avatar";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { textOf } from "../ui/failure";
import { Field } from "../ui/field";
import { Form } from "../ui/form";
import type { Meeting } from "./model";

const LARGEST = 2 * 1024 * 1024;
const KINDS = "image/png,image/jpeg,image/webp,image/gif";

export function ProfileDialog(props: { meeting: Meeting; onClose: () => void }): JSX.Element | null {
  const { meeting } = props;
  const own = meeting.own.value;
  const name = useSignal(own?.name ?? "");
  const picture = useSignal<string | null>(own?.picture ?? null);
  const trouble = useSignal<string | null>(null);
  const file = useRef<HTMLInputElement>(null);
  const id = useId();
  if (own === undefined) return null;
  const old = own.picture ?? null;
  const held = meeting.room.value?.settings.find((setting) => setting.key === "profile_change")?.value !== "free";

  const upload = async (chosen: File | undefined) => {
    trouble.value = null;
    if (chosen === undefined) return;
    if (chosen.size > LARGEST) {
      trouble.value = "The picture is larger than 2 MiB. Choose a smaller one.";
      return;
    }
    try {
      picture.value = await api.uploadPicture(chosen);
    } catch (failure) {
      trouble.value = textOf(failure);
    }
  };
  const submit = async () => {
    const wanted = name.value.trim();
    const change = { ...(wanted === own.name ? {} : { name: wanted }), ...(picture.value === old ? {} : { picture: picture.value }) };
    if (Object.keys(change).length > 0) {
      const waits = await meeting.client.changeProfile(change);
      meeting.ownChange.value = waits ? "held" : "none";
      meeting.notices.say(waits ? "A host looks at your change. Until then everyone sees you as before." : "You are shown anew.", { topic: "profile" });
    }
    props.onClose();
  };
  return (
    <Dialog title="Your name and picture" onClose={props.onClose}>
      <p>{held ? "A host approves a change first. Until then everyone sees you as before." : "A change is shown at once."}</p>
      {meeting.ownChange.value === "held" && <p class="note">A change of yours waits for a host. A new one takes its place.</p>}
      <Form submit={held ? "Ask for the change" : "Change"} onSubmit={submit}>
        <div class="profile-picture">
          <Avatar large name={name.value === "" ? own.name : name.value} picture={picture.value} />
          <div class="action-row">
            <input
              id={id}
              ref={file}
              class="unseen"
              type="file"
              accept={KINDS}
              tabIndex={-1}
              aria-label="Picture file"
              onChange={(event) => void upload(event.currentTarget.files?.[0])}
            />
            <Button small onPress={() => file.current?.click()}>
              Choose a picture
            </Button>
            {picture.value !== null && (
              <Button small kind="quiet" onPress={() => (picture.value = null)}>
                No picture
              </Button>
            )}
          </div>
          <p class="hint">PNG, JPEG, WebP or GIF up to 2 MiB. It is drawn anew by the server: where and when it was taken is not kept.</p>
        </div>
        {trouble.value !== null && (
          <p class="alert" role="alert">
            {trouble.value}
          </p>
        )}
        <Field label="Your name" value={name.value} onInput={(value) => (name.value = value)} required maxLength={64} />
      </Form>
    </Dialog>
  );
}
