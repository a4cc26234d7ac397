// A room from its link to its end: the check on the way in, the wait, the meeting, and what comes after. Nothing of the room
// is known here before the server lets the person in.

import { Conclave, socketUrl, type Closed } from "@conclave/sdk";
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { account, identityFor, loadAccount } from "../account";
import { mediaPreferences } from "../devices/pictures";
import { MeetingPage } from "../meeting/page";
import { Meeting } from "../meeting/model";
import { Button } from "../ui/button";
import { EndedPage } from "./ended";
import { MessagePage } from "./message";
import { PrejoinPage } from "./prejoin";
import { WaitingPage } from "./waiting";

/** Refusals after which the person can mend something on the way in and try again. */
const MENDABLE: ReadonlySet<string> = new Set(["cannot_join", "room_full", "rate_limited", "already_here", "unreachable", "unavailable", "internal", "signed_out"]);

export function RoomPage(props: { room: string; link?: string }): JSX.Element {
  const meeting = useSignal<Meeting | null>(null);
  const refusal = useSignal<Closed | null>(null);
  const waited = useRef(false);

  const start = (password: string | undefined) => {
    meeting.value?.dispose();
    refusal.value = null;
    waited.current = false;
    const options = { url: socketUrl(location), room: props.room, media: mediaPreferences.value };
    meeting.value = new Meeting(Conclave.join(password === undefined ? options : { ...options, password }));
  };
  const back = (closed: Closed | null) => {
    meeting.value?.dispose();
    meeting.value = null;
    refusal.value = closed;
  };
  useEffect(() => {
    if (identityFor(props.room, account.value) !== null && Conclave.mayResume(props.room)) start(undefined);
    return () => meeting.value?.dispose();
  }, [props.room]);

  const current = meeting.value;
  const state = current?.state.value;
  useEffect(() => {
    if (state?.phase === "waiting") waited.current = true;
    if (state?.phase === "closed" && state.code === "signed_out") void loadAccount();
    if (state?.phase === "closed" && !state.wasIn && !waited.current && MENDABLE.has(state.code)) back(state);
  }, [state]);

  if (current === null || state === undefined) return <PrejoinPage room={props.room} link={props.link} refusal={refusal.value} onJoin={start} />;
  switch (state.phase) {
    case "connecting":
      return (
        <MessagePage title="Connecting" text="One moment. The door is being knocked at.">
          <Button onPress={() => back(null)}>Cancel</Button>
        </MessagePage>
      );
    case "waiting":
      return <WaitingPage waiting={state} onLeave={() => current.client.leave()} />;
    case "admitted":
      return <MeetingPage meeting={current} />;
    case "closed":
      return <EndedPage closed={state} onAgain={() => back(null)} />;
  }
}
