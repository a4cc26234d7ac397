// The notices on the page, and in a live region for those who listen.

import type { JSX } from "preact";
import { Button } from "../ui/button";
import { Cross } from "../ui/icons";
import type { Notice, Notices } from "./notices";

export function Toasts(props: { notices: Notices }): JSX.Element {
  const { notices } = props;
  return (
    <div class="toasts" role="status" aria-live="polite" aria-label="Notices">
      {notices.list.value.map((notice) => (
        <Toast key={notice.id} notice={notice} notices={notices} />
      ))}
    </div>
  );
}

function Toast(props: { notice: Notice; notices: Notices }): JSX.Element {
  const { notice, notices } = props;
  return (
    <div
      class={`toast toast-${notice.tone}`}
      onPointerEnter={() => notices.hold(notice.id)}
      onPointerLeave={() => notices.release(notice.id)}
      onFocusIn={() => notices.hold(notice.id)}
      onFocusOut={() => notices.release(notice.id)}
    >
      <p>{notice.text}</p>
      <Button small kind="quiet" label="Dismiss" onPress={() => notices.dismiss(notice.id)}>
        <Cross size={16} />
      </Button>
      {notice.actions.length > 0 && (
      <div class="toast-actions">
        {notice.actions.map((action) => (
          <Button
            key={action.label}
            small
            onPress={async () => {
              await action.run();
              notices.dismiss(notice.id);
            }}
          >
            {action.label}
          </Button>
        ))}
      </div>
      )}
    </div>
  );
}
