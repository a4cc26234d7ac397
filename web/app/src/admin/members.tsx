// Members: who has an account, what each may do, how they sign in; their rights, the end of their sessions and of their account.

import { api, CallFailed, control, type Member, type MemberLine } from "@conclave/sdk";
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { InviteDialog } from "../pages/invite";
import { Presence, whilePresent } from "../pages/present";
import { Badge } from "../ui/badge";
import { Button } from "../ui/button";
import { Confirm, Dialog } from "../ui/dialog";
import { Check, Field } from "../ui/field";
import { Form } from "../ui/form";
import { useTurns } from "../ui/turns";
import { changeMeans, rolesOf, waysIn } from "../words/members";
import { dayOf } from "../words/times";
import { useAttempts } from "./attempt";
import { Trouble } from "./trouble";

/** How long typing rests before it is searched for. */
const REST_MS = 300;

type Open = { what: "none" } | { what: "invite" } | { what: "change"; member: Member; tag: string } | { what: "sign-out" | "end"; member: Member };

export function Members(props: { me: string }): JSX.Element {
  const words = useSignal("");
  const list = useSignal<MemberLine[] | null>(null);
  const next = useSignal<string | null>(null);
  const said = useSignal<string | null>(null);
  const open = useSignal<Open>({ what: "none" });
  const names = useSignal<ReadonlyMap<string, string>>(new Map());
  const turns = useTurns();
  /** Of what is typed, what was searched for. */
  const searched = useRef("");
  const { trouble, attempt } = useAttempts();
  const load = () =>
    attempt(async () => {
      searched.current = words.value.trim();
      const page = await turns.begin(control.members(searched.current, null));
      if (page === null) return;
      list.value = page.members;
      next.value = page.next;
    });
  const more = () =>
    attempt(async () => {
      const page = await turns.join(() => control.members(searched.current, next.value));
      if (page === null) return;
      list.value = [...(list.value ?? []), ...page.members];
      next.value = page.next;
    });
  useEffect(() => {
    // Without their names the providers are shown by what they are called in addresses.
    api.providers().then((found) => (names.value = new Map(found.map((one) => [one.id, one.name]))), () => undefined);
  }, []);
  useEffect(() => {
    const timer = setTimeout(() => void load(), list.value === null ? 0 : REST_MS);
    return () => clearTimeout(timer);
  }, [words.value]);
  const close = () => (open.value = { what: "none" });
  /** What that dialog was about is done; another one may be open by now. */
  const done = async (text: string, of: Open) => {
    if (open.peek() === of) close();
    await load();
    said.value = text;
  };
  const now = open.value;
  const searching = words.value.trim() !== "";
  return (
    <div class="stack admin">
      <p class="hint">Whoever has an account here. Guests have none and are not listed.</p>
      <div class="admin-head">
        <Field label="Search" value={words.value} onInput={(value) => (words.value = value)} maxLength={64} plainText />
        <Button kind="primary" onPress={() => (open.value = { what: "invite" })}>
          Invite a member
        </Button>
      </div>
      <p class={said.value === null ? "unseen" : "note"} role="status">
        {said.value}
      </p>
      <Trouble text={trouble.value} again={load} />
      {list.value === null && trouble.value === null && <p class="hint">One moment.</p>}
      {list.value?.length === 0 && next.value === null && <p class="admin-empty">{searching ? "Nobody’s name or e-mail address has that in it." : "Nobody has an account."}</p>}
      <ul class="lines admin-lines" aria-label="Members">
        {list.value?.map((member) => (
          <li class="admin-line" key={member.id}>
            <div class="line-words">
              <p class="line-name">
                {member.name} {member.id === props.me && <Badge tone="key">you</Badge>}
              </p>
              {member.ways !== null && member.ways.email !== null && <p class="admin-address">{member.ways.email}</p>}
              <p class="line-notes">
                {rolesOf(member).map((role) => (
                  <Badge key={role} tone={role.startsWith("administrator") ? "good" : "plain"}>
                    {role}
                  </Badge>
                ))}
                <span class="hint">since {dayOf(member.created)}</span>
                {member.ways !== null && <span class="hint">{member.ways.signed_in === null ? "not signed in since" : `signed in last ${dayOf(member.ways.signed_in)}`}</span>}
              </p>
              {member.ways !== null && <p class="hint">{waysIn(member.ways, (provider) => names.value.get(provider) ?? "a provider that is gone")}</p>}
            </div>
            <div class="admin-actions">
              <Button
                small
                label={`Change what ${member.name} may do`}
                onPress={() =>
                  attempt(async () => {
                    said.value = null;
                    // As it is now, so that the change is of what is shown.
                    const { state, tag } = await control.member(member.id);
                    open.value = { what: "change", member: state, tag };
                  })
                }
              >
                Change
              </Button>
              <Button small label={`Sign out ${member.name}`} onPress={() => (open.value = { what: "sign-out", member })}>
                Sign out
              </Button>
              <Button small kind="danger" label={`End account of ${member.name}`} onPress={() => (open.value = { what: "end", member })}>
                End account
              </Button>
            </div>
          </li>
        ))}
      </ul>
      {next.value !== null && (
        <Button onPress={more} busy={turns.standing.value === "asked"} disabled={turns.standing.value === "failed"}>
          {searching ? "Search on" : "Show more"}
        </Button>
      )}
      {now.what === "invite" && <InviteDialog onClose={close} />}
      {now.what === "change" && <ChangeDialog member={now.member} tag={now.tag} self={now.member.id === props.me} onClose={close} onDone={() => done(`What ${now.member.name} may do is changed.`, now)} />}
      {now.what === "sign-out" && (
        <Confirm
          title={`Sign ${now.member.name} out everywhere?`}
          text={`${now.member.id === props.me ? "You leave" : "They leave"} every meeting at once and may sign in again. To keep somebody out, end their account.`}
          confirm="Sign out"
          onClose={close}
          onConfirm={async () => {
            if (await attempt(() => control.endMemberSessions(now.member.id))) await done(`${now.member.name} is signed out everywhere.`, now);
          }}
        />
      )}
      {now.what === "end" && <EndDialog member={now.member} self={now.member.id === props.me} onClose={close} onDone={() => done(`The account of ${now.member.name} has ended.`, now)} />}
      <Presence />
    </div>
  );
}

function ChangeDialog(props: { member: Member; tag: string; self: boolean; onClose: () => void; onDone: () => unknown }): JSX.Element {
  const { member } = props;
  const admin = useSignal(member.admin);
  const creates = useSignal(member.may_create_rooms);
  const means = changeMeans(member, admin.value, props.self);
  return (
    <Dialog title={`What may ${member.name} do?`} onClose={props.onClose}>
      <Form
        submit="Save"
        onSubmit={async () => {
          const change = { ...(admin.value === member.admin ? {} : { admin: admin.value }), ...(creates.value === member.may_create_rooms ? {} : { may_create_rooms: creates.value }) };
          if (Object.keys(change).length === 0) return props.onClose();
          if ((await whilePresent(() => control.changeMember(member.id, props.tag, change))) !== null) await props.onDone();
        }}
      >
        <Check label="Create rooms" hint="And so be the owner of meetings." checked={creates.value} onChange={(on) => (creates.value = on)} />
        <Check label="Administer the organisation" hint="See everyone, change settings for all rooms, make others administrators." checked={admin.value} onChange={(on) => (admin.value = on)} />
        {member.admin_by_provider && <p class="hint">A provider says that they administer the organisation. They do so when they come by it, whatever is chosen here.</p>}
        <p class="note" role="status" hidden={means === null}>
          {means}
        </p>
      </Form>
    </Dialog>
  );
}

function EndDialog(props: { member: Member; self: boolean; onClose: () => void; onDone: () => unknown }): JSX.Element {
  const { member } = props;
  const typed = useSignal("");
  const wrong = useSignal(false);
  return (
    <Dialog title={`End the account of ${member.name}?`} onClose={props.onClose}>
      <p>{props.self ? "This is your own account: you are signed out everywhere and cannot sign in again." : "They are signed out everywhere, leave every meeting at once and cannot sign in again."}</p>
      <p>The key of the account is destroyed with it. Name, e-mail address, picture and passkeys cannot be read or brought back by anyone. Their rooms stay, without an owner. The audit log keeps what was done, without a name.</p>
      <Form
        submit="End the account for good"
        onSubmit={async () => {
          wrong.value = typed.value.trim() !== member.name;
          if (wrong.value) throw new CallFailed("internal", "Nothing was done: the name is not the same.");
          const ended = await whilePresent(async () => {
            await control.endMember(member.id);
            return true;
          });
          if (ended === true) await props.onDone();
        }}
      >
        <Field label={`Type “${member.name}” to go on`} value={typed.value} onInput={(value) => (typed.value = value)} required autofocus plainText maxLength={256} error={wrong.value ? "That is not the name." : undefined} />
      </Form>
    </Dialog>
  );
}
