// All settings in groups: what each means, what holds and where that comes from, who may change it, and who can get in because of
// it. A relaxation is confirmed after its effect was shown. Settings whose feature is not built yet are shown and cannot be
// changed, so that nobody relies on them.

import type { Line, SettingView } from "@conclave/sdk";
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { Badge } from "../ui/badge";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { textOf } from "../ui/failure";
import { Check, Choice } from "../ui/field";
import { useHere } from "../ui/here";
import { Lock } from "../ui/icons";
import { useTurns } from "../ui/turns";
import { grouped, isRelaxed, settingAbout, settingTitle, valueWords } from "../words/settings";
import { Lines } from "./lines";
import { asksFirst, different, FOLLOW, levelWords, mayChange, mayFollow, whoMay } from "./relax";
import type { SettingsSource } from "./source";

export function SettingsList(props: { settings: readonly SettingView[]; source: SettingsSource }): JSX.Element {
  const relaxing = useSignal<{ setting: SettingView; value: string } | null>(null);
  const change = async (setting: SettingView, value: string) => {
    if (asksFirst(setting, value)) relaxing.value = { setting, value };
    else await props.source.change(setting.key, value);
  };
  return (
    <div class="settings">
      {grouped(props.settings).map((group) => (
        <section key={group.title}>
          <h3>{group.title}</h3>
          <ul>
            {group.settings.map((setting) => (
              <Setting key={setting.key} setting={setting} source={props.source} onChange={(value) => void change(setting, value)} />
            ))}
          </ul>
        </section>
      ))}
      {relaxing.value !== null && <RelaxDialog {...relaxing.value} source={props.source} onClose={() => (relaxing.value = null)} />}
    </div>
  );
}

function Setting(props: { setting: SettingView; source: SettingsSource; onChange: (value: string) => void }): JSX.Element {
  const { setting, source } = props;
  const mine = mayChange(setting);
  const label = settingTitle(setting.key);
  const level = levelWords(setting);
  return (
    <li class={setting.built ? "setting" : "setting setting-later"}>
      <div class="setting-words">
        <p class="setting-title">
          {label} {!setting.built && <Badge>Comes later</Badge>}
          {setting.built && isRelaxed(setting) && <Badge tone="key">Relaxed</Badge>}
          <Badge>{level}</Badge>
          {setting.locked && (
            <Badge tone="key">
              <Lock size={13} /> Locked
            </Badge>
          )}
        </p>
        <p class="hint">
          {settingAbout(setting.key)} {whoMay(setting)}
        </p>
      </div>
      <div class="setting-choice">
        {mine ? (
          <Choice
            label={label}
            hideLabel
            value={setting.value}
            options={setting.values.map((value, index) => ({
              value,
              label: valueWords(setting.key, value) + (index === 0 ? " (strictest)" : ""),
            }))}
            onChange={props.onChange}
          />
        ) : (
          <p class="setting-value">{valueWords(setting.key, setting.value)}</p>
        )}
        {mine && source.lock !== undefined && (
          <Check label={`Locked: no room may differ`} checked={setting.locked} onChange={(locked) => void source.lock?.(setting, locked)} />
        )}
        {source.lock === undefined && mayFollow(setting) && (
          <Button small onPress={() => props.onChange(FOLLOW)} label={`Follow the organisation (${label})`}>
            Follow the organisation
          </Button>
        )}
        {source.entry !== null && setting.built && <WhoNow title={label} entry={source.entry} />}
      </div>
    </li>
  );
}

/** Asked when it is opened, since the answer changes with the room. */
function WhoNow(props: { title: string; entry: () => Promise<Line[]> }): JSX.Element {
  const lines = useSignal<Line[] | null>(null);
  const trouble = useSignal<string | null>(null);
  const turns = useTurns();
  const load = async () => {
    trouble.value = null;
    try {
      lines.value = (await turns.begin(props.entry())) ?? lines.value;
    } catch (failure) {
      trouble.value = textOf(failure);
    }
  };
  return (
    <details class="who-now" onToggle={(event) => void (event.currentTarget.open && load())}>
      <summary aria-label={`Who can get in now? (${props.title})`}>Who can get in now?</summary>
      {trouble.value !== null && <p class="field-error">{trouble.value}</p>}
      {lines.value !== null && <Lines caption="As the room stands" lines={lines.value} compare={false} />}
    </details>
  );
}

/** What a relaxation would change for whom, before it is done. */
function RelaxDialog(props: { setting: SettingView; value: string; source: SettingsSource; onClose: () => void }): JSX.Element {
  const { setting, value, source } = props;
  const here = useHere();
  const lines = useSignal<Line[] | null>(null);
  const trouble = useSignal<string | null>(null);
  const asked = useSignal(false);
  if (!asked.value) {
    asked.value = true;
    const ask = source.preview;
    if (ask === null) lines.value = [];
    else {
      ask(setting.key, value).then(
        (found) => (lines.value = found),
        (failure: unknown) => (trouble.value = textOf(failure)),
      );
    }
  }
  const changed = different(lines.value ?? []);
  const follows = value === FOLLOW;
  const title = settingTitle(setting.key);
  return (
    <Dialog title={follows ? `Let “${title}” follow the organisation?` : `Relax “${title}”?`} onClose={props.onClose}>
      <p>
        From <strong>{valueWords(setting.key, setting.value)}</strong> to <strong>{follows ? "what the organisation says, now and later" : valueWords(setting.key, value)}</strong>. Everyone in the room is told, and it
        is written to the audit log.
      </p>
      {lines.value !== null && changed.length > 0 && <Lines caption={follows ? "What changes for whom because of it" : "Who can do more because of it"} lines={changed} compare />}
      {lines.value !== null && changed.length === 0 && source.preview !== null && <p class="hint">It changes nothing for anyone at this moment.</p>}
      {trouble.value !== null && (
        <p class="alert" role="alert">
          {trouble.value} What it would change cannot be shown.
        </p>
      )}
      <div class="dialog-actions">
        <Button onPress={props.onClose}>Leave it</Button>
        <Button
          kind="danger"
          disabled={lines.value === null && trouble.value === null}
          onPress={async () => {
            await source.change(setting.key, value);
            if (!here.aborted) props.onClose();
          }}
        >
          {follows ? "Follow it" : "Relax it"}
        </Button>
      </div>
    </Dialog>
  );
}
