// The own name and picture in this meeting. By default a host approves them first, and until then everyone goes on seeing the old.

import type { JSX } from "preact";
import { isEmpty, type Change } from "../profile/change";
import { ProfileForm } from "../profile/form";
import { Dialog } from "../ui/dialog";
import type { Meeting } from "./model";

export function ProfileDialog(props: { meeting: Meeting; onClose: () => void }): JSX.Element | null {
  const { meeting } = props;
  const own = meeting.own.value;
  if (own === undefined) return null;
  const held = meeting.room.value?.settings.find((setting) => setting.key === "profile_change")?.value !== "free";
  const submit = async (change: Change) => {
    if (!isEmpty(change)) {
      const waits = await meeting.client.changeProfile(change);
      meeting.ownChange.value = waits ? "held" : "none";
      meeting.notices.say(waits ? "A host looks at your change. Until then everyone sees you as before." : "You are shown anew.", { topic: "profile" });
    }
    props.onClose();
  };
  return (
    <Dialog title="Your name and picture" onClose={props.onClose}>
      <p>{held ? "In this meeting a host approves a change first. Until then everyone sees you as before." : "In this meeting a change is shown at once."}</p>
      {meeting.ownChange.value === "held" && <p class="note">A change of yours waits for a host. A new one takes its place.</p>}
      <ProfileForm name={own.name} picture={own.picture} mayName submit={held ? "Ask for the change" : "Change"} onSubmit={submit} />
    </Dialog>
  );
}
