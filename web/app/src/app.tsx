// Chooses the page for the address. Each page loads what it needs itself.

import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { account, accountTrouble, loadAccount } from "./account";
import { AccountPage } from "./pages/account";
import { EmbedPage } from "./pages/embed";
import { FactorDialog } from "./pages/factor";
import { HomePage } from "./pages/home";
import { InvitationPage } from "./pages/invitation";
import { ManagePage } from "./pages/manage";
import { MessagePage } from "./pages/message";
import { OrganisationPage } from "./pages/organisation";
import { ResetPage, VerifyPage } from "./pages/reset";
import { ReturnPage } from "./pages/return";
import { RoomPage } from "./pages/room";
import { go, route } from "./route";
import { Button } from "./ui/button";

export function App(): JSX.Element {
  return (
    <>
      <Page />
      <FactorDialog />
    </>
  );
}

function Page(): JSX.Element {
  const at = route.value;
  // Whoever is signed in here is nobody in a frame of others.
  useEffect(() => void (at.page === "embed" || loadAccount()), []);
  if (at.page === "embed") return <EmbedPage />;
  if (at.page === "invitation") return <InvitationPage token={at.token} />;
  if (at.page === "reset") return <ResetPage key={at.token} token={at.token} />;
  if (at.page === "verify") return <VerifyPage key={at.token} token={at.token} />;
  if (at.page === "return") return <ReturnPage provider={at.provider} answer={at.answer} />;
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
  switch (at.page) {
    case "home":
      return <HomePage />;
    case "room":
      return <RoomPage key={at.room} room={at.room} />;
    case "guest":
      return <RoomPage key={at.room} room={at.room} link={at.secret} />;
    case "manage":
      return account.value?.kind === "account" ? <ManagePage key={at.room} room={at.room} part={at.part} /> : <HomePage />;
    case "account":
      return account.value?.kind === "account" ? <AccountPage /> : <HomePage />;
    case "organisation":
      return account.value?.kind === "account" ? <OrganisationPage part={at.part} /> : <HomePage />;
  }
}
