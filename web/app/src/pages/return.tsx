// The page that a provider sends people back to. The way ends by a request of this page, so that the session's cookies, which no other
// site's link brings along, are there; what stood in the address is gone from it before.

import { api } from "@conclave/sdk";
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { loadAccount } from "../account";
import { go } from "../route";
import { Button } from "../ui/button";
import { textOf } from "../ui/failure";
import { useHere } from "../ui/here";
import { MessagePage } from "./message";

export function ReturnPage(props: { provider: string; answer: string }): JSX.Element {
  const trouble = useSignal<string | null>(null);
  const here = useHere();
  const end = async () => {
    const answer = new URLSearchParams(props.answer);
    const [state, code, iss] = [answer.get("state"), answer.get("code"), answer.get("iss")];
    if (state === null || code === null) {
      trouble.value = "The sign-in there was given up.";
      return;
    }
    try {
      const { next } = await api.comeBack(props.provider, state, code, iss ?? undefined);
      await loadAccount();
      // Whoever went elsewhere meanwhile stays there.
      if (!here.aborted) go(next);
    } catch (failure) {
      trouble.value = textOf(failure);
    }
  };
  useEffect(() => void end(), []);
  if (trouble.value === null) return <MessagePage title="One moment" text="You are being signed in." />;
  return (
    <MessagePage title="That did not work" text={trouble.value}>
      <Button kind="primary" onPress={() => go("/")}>
        To the start page
      </Button>
    </MessagePage>
  );
}
