// The frame of every page outside a meeting: mark, name, who is here, and one column of content.

import { useSignal } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";
import { useEffect } from "preact/hooks";
import { account, signOutTrouble, trySignOut } from "../account";
import { go } from "../route";
import { Avatar } from "../ui/avatar";
import { Button } from "../ui/button";
import { Mark } from "../ui/icons";
import { ThemeButton } from "../ui/theme";
import { CopiedNotice } from "./copied";
import { OwnProfileDialog } from "./profile";

export function Frame(props: { narrow?: boolean; children: ComponentChildren }): JSX.Element {
  const me = account.value;
  const editing = useSignal(false);
  useEffect(() => () => void (signOutTrouble.value = null), []);
  return (
    <div class="frame">
      <header class="frame-head">
        <a
          class="brand"
          href="/"
          onClick={(event) => {
            event.preventDefault();
            go("/");
          }}
        >
          <Mark size={30} />
          <span>Conclave</span>
        </a>
        <div class="frame-me">
          {me?.kind === "account" && (
            <button type="button" class="frame-own" aria-label={`${me.name}: name and picture`} onClick={() => (editing.value = true)}>
              <Avatar name={me.name} picture={me.picture} />
              <span class="frame-name">{me.name}</span>
            </button>
          )}
          <ThemeButton />
          {me?.kind === "account" && (
            <>
              <Button small kind="quiet" onPress={() => go("/account")}>
                Account
              </Button>
              <Button small kind="quiet" onPress={trySignOut}>
                Sign out
              </Button>
            </>
          )}
        </div>
      </header>
      <main class={props.narrow === true ? "frame-main frame-narrow" : "frame-main"}>
        {signOutTrouble.value !== null && (
          <p class="alert" role="alert">
            {signOutTrouble.value}
          </p>
        )}
        <CopiedNotice />
        {props.children}
      </main>
      {editing.value && me !== null && me !== undefined && <OwnProfileDialog me={me} onClose={() => (editing.value = false)} />}
      <footer class="frame-foot">Nobody is heard, seen or let in without permission. The server enforces it.</footer>
    </div>
  );
}
