// Where one is signed in, and signing out there. The page's own session is one of them.

import { own, type OwnSession } from "@conclave/sdk";
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { account, signOut } from "../account";
import { go } from "../route";
import { Badge } from "../ui/badge";
import { Button } from "../ui/button";
import { Confirm } from "../ui/dialog";
import { textOf } from "../ui/failure";
import { useTurns } from "../ui/turns";
import { dayOf } from "../words/times";

export function Sessions(): JSX.Element {
  const sessions = useSignal<OwnSession[] | null>(null);
  const ending = useSignal<OwnSession | "others" | null>(null);
  const said = useSignal<string | null>(null);
  const trouble = useSignal<string | null>(null);
  const heading = useRef<HTMLHeadingElement>(null);
  const acted = useRef(false);
  const turns = useTurns();
  const load = async () => {
    try {
      sessions.value = (await turns.begin(own.sessions())) ?? sessions.value;
    } catch (failure) {
      trouble.value = textOf(failure);
    }
  };
  useEffect(() => void load(), []);
  const end = async (what: OwnSession | "others") => {
    acted.current = true;
    trouble.value = null;
    said.value = null;
    try {
      if (what === "others") {
        account.value = await own.endOthers();
        said.value = "You are signed out everywhere else.";
      } else if (what.this) {
        await signOut();
        go("/");
        return;
      } else {
        await own.endSession(what.id);
        said.value = `${what.device} is signed out.`;
      }
    } catch (failure) {
      trouble.value = textOf(failure);
    }
    await load();
  };
  useEffect(() => {
    if (ending.value !== null || !acted.current) return;
    acted.current = false;
    // The button that was pressed may be gone with its row.
    heading.current?.focus();
  }, [ending.value]);
  const list = sessions.value;
  return (
    <section class="card stack" aria-labelledby="sessions">
      <h2 id="sessions" tabIndex={-1} ref={heading}>
        Where you are signed in
      </h2>
      <p class="hint">Each browser and program that is signed in as you, as it calls itself. Sign out whatever you do not know, and change your password then.</p>
      {trouble.value !== null && (
        <p class="alert" role="alert">
          {trouble.value}
        </p>
      )}
      {said.value !== null && <p role="status">{said.value}</p>}
      {list !== null && list.length > 0 && (
        // Its roles are said, because on a phone it is laid out as no table is.
        <table class="sessions" role="table">
          <caption class="unseen">Where you are signed in</caption>
          <thead role="rowgroup">
            <tr role="row">
              <th scope="col" role="columnheader">
                Device
              </th>
              <th scope="col" role="columnheader">
                From
              </th>
              <th scope="col" role="columnheader">
                Last used
              </th>
              <td role="cell" />
            </tr>
          </thead>
          <tbody role="rowgroup">
            {list.map((session) => (
              <tr key={session.id} role="row">
                <th scope="row" role="rowheader">
                  <span>{session.device}</span>
                  {session.this && <Badge tone="good">This browser</Badge>}
                  <span class="hint">Signed in {dayOf(session.began)}</span>
                </th>
                <td role="cell" data-name="From">
                  {session.place ?? "Not kept"}
                </td>
                <td role="cell" data-name="Last used">
                  {session.this ? "Now" : dayOf(session.used)}
                </td>
                <td role="cell">
                  <Button small kind="danger" label={session.this ? "Sign out this browser" : `Sign out ${session.device}`} onPress={() => (ending.value = session)}>
                    Sign out
                  </Button>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {list?.length === 1 && list[0]?.this === true && <p>You are signed in nowhere else.</p>}
      {list?.length === 0 && <p>Nothing is known of where you are signed in.</p>}
      <Button onPress={() => (ending.value = "others")}>Sign out everywhere else</Button>
      {ending.value !== null && <Ask what={ending.value} onConfirm={end} onClose={() => (ending.value = null)} />}
    </section>
  );
}

function Ask(props: { what: OwnSession | "others"; onConfirm: (what: OwnSession | "others") => Promise<void>; onClose: () => void }): JSX.Element {
  const { what } = props;
  const [title, text] =
    what === "others"
      ? ["Sign out everywhere else?", "Every other browser and program that is signed in as you is out at once, and so are meetings that you are in."]
      : what.this
        ? ["Sign out this browser?", "You are signed out here at once, and out of every meeting that you are in with this browser."]
        : [`Sign out ${what.device}?`, "It is signed out at once, and out of every meeting that it is in."];
  return <Confirm title={title} text={text} confirm="Sign out" onConfirm={() => props.onConfirm(what)} onClose={props.onClose} />;
}
