// All settings of a room in groups: what each means, what holds, who may change it. Settings whose feature is not built yet
// are shown and cannot be changed, so that nobody relies on them.

import type { SettingView } from "@conclave/sdk";
import type { JSX } from "preact";
import { account } from "../account";
import { Badge } from "../ui/badge";
import { Choice } from "../ui/field";
import { grouped, isRelaxed, settingAbout, settingTitle, valueWords } from "../words/settings";

export interface SettingsListProps {
  settings: readonly SettingView[];
  /** Whether the person may change what hosts may change. */
  mayChange: boolean;
  onChange: (key: string, value: string) => Promise<void>;
}

export function SettingsList(props: SettingsListProps): JSX.Element {
  return (
    <div class="settings">
      <p class="hint">Hosts may change these, unless a setting says otherwise.</p>
      {grouped(props.settings).map((group) => (
        <section key={group.title}>
          <h3>{group.title}</h3>
          <ul>
            {group.settings.map((setting) => (
              <Setting key={setting.key} setting={setting} mayChange={props.mayChange} onChange={props.onChange} />
            ))}
          </ul>
        </section>
      ))}
    </div>
  );
}

function Setting(props: { setting: SettingView; mayChange: boolean; onChange: SettingsListProps["onChange"] }): JSX.Element {
  const { setting } = props;
  const me = account.value;
  const admin = me?.kind === "account" && me.admin;
  const mine = setting.relax === "host" ? props.mayChange : setting.relax === "admin" && admin && props.mayChange;
  const fixed = setting.relax === "fixed" || setting.values.length < 2;
  const label = settingTitle(setting.key);
  return (
    <li class={setting.built ? "setting" : "setting setting-later"}>
      <div class="setting-words">
        <p class="setting-title">
          {label} {!setting.built && <Badge>Comes later</Badge>}
          {setting.built && isRelaxed(setting) && <Badge tone="key">Relaxed</Badge>}
        </p>
        <p class="hint">
          {settingAbout(setting.key)} {exception(setting.relax)}
        </p>
      </div>
      {fixed || !mine || !setting.built ? (
        <p class="setting-value">{valueWords(setting.key, setting.value)}</p>
      ) : (
        <Choice
          label={label}
          hideLabel
          value={setting.value}
          options={setting.values.map((value, index) => ({
            value,
            label: valueWords(setting.key, value) + (index === 0 ? " (strictest)" : ""),
          }))}
          onChange={(value) => void props.onChange(setting.key, value)}
        />
      )}
    </li>
  );
}

/** What the sentence above the list does not already say: hosts may change whatever is not marked. */
function exception(relax: string): string {
  switch (relax) {
    case "host":
      return "";
    case "admin":
      return "Only an administrator may change it.";
    default:
      return "Nobody may change it.";
  }
}
