// A name and a picture to be shown by: chosen here, uploaded at once, shown to nobody before they are asked for.

import { api } from "@conclave/sdk";
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useRef } from "preact/hooks";
import { Avatar } from "../ui/avatar";
import { Button } from "../ui/button";
import { textOf } from "../ui/failure";
import { Field } from "../ui/field";
import { Form } from "../ui/form";
import { useTurns } from "../ui/turns";
import { changed, type Change } from "./change";

const LARGEST = 2 * 1024 * 1024;
const KINDS = "image/png,image/jpeg,image/webp,image/gif";

export interface ProfileFormProps {
  name: string;
  picture: string | null;
  /** A guest's name outside a room is part of their session. */
  mayName: boolean;
  submit: string;
  /** With what is different; an empty change when nothing is. */
  onSubmit: (change: Change) => Promise<void>;
}

export function ProfileForm(props: ProfileFormProps): JSX.Element {
  const name = useSignal(props.name);
  const picture = useSignal(props.picture);
  const trouble = useSignal<string | null>(null);
  const uploads = useTurns();
  const file = useRef<HTMLInputElement>(null);
  const upload = async (chosen: File | undefined) => {
    trouble.value = null;
    if (chosen === undefined) return;
    if (chosen.size > LARGEST) {
      trouble.value = "The picture is larger than 2 MiB. Choose a smaller one.";
      return;
    }
    try {
      picture.value = (await uploads.begin(api.uploadPicture(chosen))) ?? picture.value;
    } catch (failure) {
      trouble.value = textOf(failure);
    }
  };
  return (
    <Form submit={props.submit} onSubmit={() => props.onSubmit(changed(props, { name: name.value.trim(), picture: picture.value }))}>
      <div class="profile-picture">
        <Avatar large name={name.value === "" ? props.name : name.value} picture={picture.value} />
        <div class="action-row">
          <input
            ref={file}
            class="unseen"
            type="file"
            accept={KINDS}
            tabIndex={-1}
            aria-label="Picture file"
            onChange={(event) => {
              void upload(event.currentTarget.files?.[0]);
              // The same file again is a choice again.
              event.currentTarget.value = "";
            }}
          />
          <Button small onPress={() => file.current?.click()}>
            Choose a picture
          </Button>
          {picture.value !== null && (
            <Button small kind="quiet" onPress={() => { uploads.end(); picture.value = null; }}>
              No picture
            </Button>
          )}
        </div>
        <p class="hint">PNG, JPEG, WebP or GIF up to 2 MiB. The server draws it anew: where and when it was taken is not kept.</p>
      </div>
      {trouble.value !== null && (
        <p class="alert" role="alert">
          {trouble.value}
        </p>
      )}
      {props.mayName && <Field label="Your name" value={name.value} onInput={(value) => (name.value = value)} required maxLength={64} />}
    </Form>
  );
}
