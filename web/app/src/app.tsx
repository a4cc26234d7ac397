// Chooses the page for the address. Each page loads what it needs itself.

import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { account, accountTrouble, loadAccount } from "./account";
import { HomePage } from "./pages/home";
import { InvitationPage } from "./pages/invitation";
import { MessagePage } from "./pages/message";
import { RoomPage } from "./pages/room";
import { go, route } from "./route";
import { Button } from "./ui/button";

export function App(): JSX.Element {
  useEffect(() => void loadAccount(), []);
  const at = route.value;
  if (at.page === "invitation") return <InvitationPage token={at.token} />;
  if (at.page === "unknown") {
    return (
      <MessagePage title="There is nothing here" text="The address may have been cut off on the way. Open the whole link again.">
        <Button kind="primary" onPress={() => go("/")}>
          To the start page
        </Button>
      </MessagePage>
    );
  }
  if (accountTrouble.value !== null) {
    return (
      <MessagePage title="No connection" text={accountTrouble.value}>
        <Button kind="primary" onPress={loadAccount}>
          Try again
        </Button>
      </MessagePage>
    );
  }
  if (account.value === undefined) return <MessagePage title="One moment" text="Asking the server who you are." />;
  return at.page === "home" ? <HomePage /> : <RoomPage key={at.room} room={at.room} />;
}
