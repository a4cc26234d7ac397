// An admin's invitation for a new member of the organisation: a link that works once. The page that shows it shows `Presence` too.

import { control, type InvitationView } from "@conclave/sdk";
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { Button } from "../ui/button";
import { CopyLine } from "../ui/copy";
import { Dialog } from "../ui/dialog";
import { Check } from "../ui/field";
import { Form } from "../ui/form";
import { whilePresent } from "./present";

export function InviteDialog(props: { onClose: () => void }): JSX.Element {
  const [mayCreate, setMayCreate] = useState(false);
  const [made, setMade] = useState<InvitationView | null>(null);
  if (made !== null) {
    return (
      <Dialog title="Invitation" onClose={props.onClose}>
        <p>Send this link to one person. Whoever opens it first makes the account.</p>
        <CopyLine label="Member link" value={new URL(made.path, location.origin).href} hint={`Works once, until ${new Date(made.expires).toLocaleString()}.`} />
        <div class="dialog-actions">
          <Button kind="primary" onPress={props.onClose}>
            Done
          </Button>
        </div>
      </Dialog>
    );
  }
  return (
    <Dialog title="Invite a member" onClose={props.onClose}>
      <Form submit="Make the link" onSubmit={async () => setMade(await whilePresent(() => control.invite(mayCreate)))}>
        <p>A member has an account here and is shown to hosts as “signed in”.</p>
        <Check label="May create rooms" hint="And so be the owner of meetings." checked={mayCreate} onChange={setMayCreate} />
      </Form>
    </Dialog>
  );
}
