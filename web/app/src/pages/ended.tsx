// After a meeting, whatever ended it: what happened, and what can be done next.

import type { Closed } from "@conclave/sdk";
import type { JSX } from "preact";
import { go } from "../route";
import { Button } from "../ui/button";
import { MessagePage } from "./message";

interface Words {
  title: string;
  /** In place of the server's own. */
  text?: string;
  more?: string;
  again?: string;
}

export function EndedPage(props: { closed: Closed; onAgain: () => void }): JSX.Element {
  const words = wordsFor(props.closed);
  return (
    <MessagePage title={words.title} text={words.text ?? props.closed.text} more={words.more}>
      {words.again !== undefined && (
        <Button kind="primary" onPress={props.onAgain}>
          {words.again}
        </Button>
      )}
      <Button onPress={() => go("/")}>To the start page</Button>
    </MessagePage>
  );
}

function wordsFor(closed: Closed): Words {
  switch (closed.code) {
    case "removed":
      return { title: "You were removed", more: "You cannot come back into this session, from here or from another device. If you think this was a mistake, speak with the host." };
    case "denied":
      return { title: "You were not let in", more: "Nobody in the room heard or saw you. If they expected you, speak with whoever invited you, then knock again.", again: "Knock again" };
    case "ended":
      return { title: "The meeting is over", more: "Your camera and microphone are off." };
    case "left":
      return closed.wasIn
        ? { title: "You left", more: "Your camera and microphone are off.", again: "Go back in" }
        : { title: "You left", again: "Knock again" };
    case "replaced":
      return { title: "You are in another tab", more: "The meeting goes on there. This tab shows nothing any more." };
    case "cannot_resume":
      // The server knows a place or does not: it cannot say which of these it was.
      return {
        title: "You cannot come straight back",
        text: "Your place is not kept any more. You may have been away too long, or a host may have ended your stay or the meeting.",
        again: "Join again",
      };
    case "restarted":
      return { title: "The server was started anew", again: "Join again" };
    case "signed_out":
      return { title: "You are signed out", again: "Sign in again" };
    case "unreachable":
      return { title: "The connection is gone", more: "If you were in the meeting a short time ago, you come straight back.", again: "Try again" };
    default:
      return { title: "The connection was closed", again: "Join again" };
  }
}
