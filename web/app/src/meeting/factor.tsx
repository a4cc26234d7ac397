// For a host who has not shown the second factor that the organisation asks for: what does not work, why, and the one way to change it.

import type { JSX } from "preact";
import { showFactor } from "../pages/factor";
import { Button } from "../ui/button";
import { Key } from "../ui/icons";
import type { Meeting } from "./model";

const WHY = "Your organisation asks hosts for a second factor. Until you show yours, you take part like everyone else and lead nothing.";

/** The button that shows it, and says that the controls work. */
export function ShowPasskey(props: { meeting: Meeting; small?: boolean; wide?: boolean }): JSX.Element {
  const show = async () => {
    if (await showFactor()) props.meeting.announce("You have shown your passkey. The controls of a host work now.");
  };
  return (
    <Button small={props.small === true} wide={props.wide === true} kind="primary" onPress={show}>
      Show your passkey
    </Button>
  );
}

export function FactorBanner(props: { meeting: Meeting }): JSX.Element {
  return (
    <div class="banner banner-warn" role="status">
      <Key size={20} />
      <p>{WHY}</p>
      <ShowPasskey meeting={props.meeting} small />
    </div>
  );
}

/** In place of the controls. */
export function FactorPart(props: { meeting: Meeting; controls: readonly string[] }): JSX.Element {
  return (
    <section class="panel-part" aria-label="Controls of a host">
      <h3>Not available yet</h3>
      <p class="hint">{WHY}</p>
      <div class="stack">
        {props.controls.map((control) => (
          <Button key={control} wide disabled>
            {control}
          </Button>
        ))}
        <ShowPasskey meeting={props.meeting} wide />
      </div>
    </section>
  );
}
