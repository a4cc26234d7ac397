// What the person sets for themselves on this device: camera and microphone, light or dark, sounds, keys.

import type { JSX } from "preact";
import { Refusal } from "../captions/panel";
import { DevicePickers } from "../devices/pickers";
import { setTheme, theme, THEMES } from "../theme";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { Check, Choice } from "../ui/field";
import { knockSound, knockTitle, setKnockSound, setKnockTitle } from "./alert";
import { setShortcuts, shortcutsOn } from "./keys";
import type { Meeting } from "./model";
import { PictureChoices } from "./pictures";

export function PreferencesDialog(props: { meeting: Meeting; onClose: () => void }): JSX.Element {
  const { meeting } = props;
  return (
    <Dialog title="Preferences" onClose={props.onClose}>
      <DevicePickers version={0} onMicrophone={() => void meeting.swap("microphone")} onCamera={() => void meeting.swap("camera")} />
      <PictureChoices meeting={meeting} />
      <Choice label="Look" value={theme.value} options={THEMES} onChange={setTheme} />
      <fieldset class="choices">
        <legend>Captions</legend>
        <Refusal meeting={meeting} />
        <Button
          small
          onPress={() => {
            meeting.dialog.value = null;
            meeting.openCaptions("look");
          }}
        >
          How you read captions
        </Button>
      </fieldset>
      {meeting.moderates.value && (
        <fieldset class="choices">
          <legend>When someone knocks</legend>
          <Check label="Play a sound" checked={knockSound.value} onChange={setKnockSound} />
          <Check label="Show the number on the browser’s tab" checked={knockTitle.value} onChange={setKnockTitle} />
        </fieldset>
      )}
      <Check label="Single-key shortcuts" checked={shortcutsOn.value} onChange={setShortcuts} />
      <div class="dialog-actions">
        <Button onPress={() => (meeting.dialog.value = "connection")}>Your connection</Button>
        <Button onPress={() => (meeting.dialog.value = "shortcuts")}>See all keys</Button>
        <Button onPress={() => (meeting.dialog.value = "profile")}>Name and picture</Button>
      </div>
    </Dialog>
  );
}
