// The emergency switch: every session of everyone ends, that of whoever asks too.

import { api } from "@conclave/sdk";
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { account } from "../account";
import { Button } from "../ui/button";
import { Confirm } from "../ui/dialog";
import { useAttempts } from "./attempt";
import { Trouble } from "./trouble";

export function Emergency(): JSX.Element {
  const asking = useSignal(false);
  const { trouble, attempt } = useAttempts();
  return (
    <section class="card stack" aria-labelledby="emergency">
      <h2 id="emergency">In an emergency</h2>
      <p class="hint">If keys or browsers may be in the wrong hands, sign everyone out at once. API keys and webhooks stay; look at them too.</p>
      <Trouble text={trouble.value} />
      <Button kind="danger" onPress={() => (asking.value = true)}>
        End all sessions
      </Button>
      {asking.value && (
        <Confirm
          title="End all sessions?"
          text="Everyone is signed out everywhere, you too, and every meeting loses everyone in it. All have to sign in again. You must have signed in within the last ten minutes."
          confirm="End all sessions"
          onClose={() => (asking.value = false)}
          onConfirm={() =>
            attempt(async () => {
              await api.endAllSessions();
              account.value = null;
            })
          }
        />
      )}
    </section>
  );
}
