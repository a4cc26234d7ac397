// The name and picture that an account comes with into its next meetings.

import { api, type Me } from "@conclave/sdk";
import type { JSX } from "preact";
import { account } from "../account";
import { isEmpty } from "../profile/change";
import { ProfileForm } from "../profile/form";
import { Dialog } from "../ui/dialog";

export function OwnProfileDialog(props: { me: Me; onClose: () => void }): JSX.Element {
  const { me } = props;
  return (
    <Dialog title="Your name and picture" onClose={props.onClose}>
      <p>You come with these into your next meetings. In a meeting that is running you stay as you are.</p>
      <ProfileForm
        name={me.name}
        picture={me.picture}
        mayName={me.kind === "account"}
        submit="Keep"
        onSubmit={async (change) => {
          if (!isEmpty(change)) account.value = await api.changeMe(change);
          props.onClose();
        }}
      />
    </Dialog>
  );
}
