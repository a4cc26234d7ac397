// The way out. A last host is told what it means for those who stay.

import type { JSX } from "preact";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { isRelaxed } from "../words/settings";
import type { Meeting } from "./model";

export function LeaveDialog(props: { meeting: Meeting; onClose: () => void }): JSX.Element {
  const { meeting } = props;
  const lockSetting = meeting.room.value?.settings.find((setting) => setting.key === "last_host_leaves");
  const locks = lockSetting === undefined || !isRelaxed(lockSetting);
  return (
    <Dialog title="You are the last host here" onClose={props.onClose}>
      <p>
        {locks ? "When you leave, the room locks and nobody can let anyone in." : "When you leave, the room stays as it is, and nobody can let anyone in."} Nobody becomes host by
        themselves; you can make someone host first, in the people panel.
      </p>
      <div class="dialog-actions">
        <Button onPress={props.onClose}>Stay</Button>
        <Button kind="danger" onPress={() => meeting.attempt(() => meeting.client.end())}>
          End for everyone
        </Button>
        <Button kind="primary" onPress={() => meeting.client.leave()}>
          Leave
        </Button>
      </div>
    </Dialog>
  );
}

/** Whether nobody would be left who can moderate, although others stay. */
export function isLastHost(meeting: Meeting): boolean {
  const room = meeting.room.value;
  if (room === null || !meeting.moderates.value) return false;
  const others = room.participants.filter((p) => p.participant !== room.you);
  return others.length > 0 && !others.some((p) => p.connected && (p.role === "owner" || p.role === "host"));
}
