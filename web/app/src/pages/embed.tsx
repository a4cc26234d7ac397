// The meeting inside a page of another product: the frame says by which key it may come, that page gives it a token for that key. Which
// pages may have this frame at all, the server says with it.

import { joinWithToken, prepareJoin, type Conclave } from "@conclave/sdk";
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { MeetingPage } from "../meeting/page";
import { Meeting } from "../meeting/model";
import { textOf } from "../ui/failure";
import { MessagePage } from "./message";
import { WaitingPage } from "./waiting";

/** What the page around says: a token for the key of this frame. */
interface Given {
  conclave: "join";
  token: string;
  password?: string;
}

function isGiven(data: unknown): data is Given {
  if (typeof data !== "object" || data === null || !("conclave" in data) || data.conclave !== "join") return false;
  if (!("token" in data) || typeof data.token !== "string") return false;
  return !("password" in data) || data.password === undefined || typeof data.password === "string";
}

/** Tells the page around. None of it is a secret, and no page but an allowed one can be there. */
function tell(what: "ready" | "state", more: object): void {
  if (window.parent !== window) window.parent.postMessage({ conclave: what, ...more }, "*");
}

export function EmbedPage(): JSX.Element {
  const meeting = useSignal<Meeting | null>(null);
  const trouble = useSignal<string | null>(null);
  useEffect(() => {
    let gone = false;
    let asked = false;
    const ready = () => prepareJoin().then((jkt) => tell("ready", { jkt }));
    const take = (client: Conclave) => {
      if (gone) {
        client.leave();
        return;
      }
      meeting.value = new Meeting(client);
      tell("state", { phase: client.state.phase });
      client.on("state", ({ phase }) => tell("state", { phase }));
    };
    const given = (event: MessageEvent<unknown>) => {
      if (event.source !== window.parent || window.parent === window || asked || !isGiven(event.data)) return;
      asked = true;
      const { token, password } = event.data;
      joinWithToken({ server: location.origin, token, ...(password === undefined ? {} : { password }) }).then(take, (failure: unknown) => {
        asked = false;
        trouble.value = textOf(failure);
      });
    };
    addEventListener("message", given);
    ready().catch((failure: unknown) => (trouble.value = textOf(failure)));
    return () => {
      gone = true;
      removeEventListener("message", given);
      meeting.value?.dispose();
    };
  }, []);
  const current = meeting.value;
  if (current === null) return <MessagePage title={trouble.value === null ? "One moment" : "That did not work"} text={trouble.value ?? "The page around this one brings you in."} />;
  const state = current.state.value;
  switch (state.phase) {
    case "connecting":
      return <MessagePage title="Connecting" text="One moment. The door is being knocked at." />;
    case "waiting":
      return <WaitingPage waiting={state} onLeave={() => current.client.leave()} />;
    case "admitted":
      return <MeetingPage meeting={current} />;
    case "closed":
      return <MessagePage title={state.wasIn ? "You are out of the meeting" : "You were not let in"} text={state.text} />;
  }
}
