// The organisation, for its administrators: what holds in every room, what no room may relax, and what was decided anywhere.

import { api, type SettingView } from "@conclave/sdk";
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { account } from "../account";
import { Embedding } from "../admin/embedding";
import { Emergency } from "../admin/emergency";
import { ApiKeys } from "../admin/keys";
import { Members } from "../admin/members";
import { SignInRules } from "../admin/signin";
import { Webhooks } from "../admin/webhooks";
import { AuditView } from "../audit/view";
import { go, ORGANISATION_PARTS, type OrganisationPart } from "../route";
import { SettingsList } from "../settings/list";
import type { SettingsSource } from "../settings/source";
import { Button } from "../ui/button";
import { textOf } from "../ui/failure";
import { Check } from "../ui/field";
import { Tabs } from "../ui/tabs";
import { useTurns } from "../ui/turns";
import { Frame } from "./frame";
import { MessagePage } from "./message";

const PARTS: Readonly<Record<OrganisationPart, string>> = { settings: "Settings", members: "Members", "sign-in": "Sign-in", keys: "API keys", webhooks: "Webhooks", embedding: "Embedding", audit: "Audit" };

export function OrganisationPage(props: { part: OrganisationPart }): JSX.Element {
  const me = account.value;
  if (me?.kind !== "account" || !me.admin) {
    return (
      <MessagePage title="For administrators" text="Only an administrator of the organisation sees this page.">
        <Button kind="primary" onPress={() => go("/")}>
          To the start page
        </Button>
      </MessagePage>
    );
  }
  return (
    <Frame>
      <div class="page-head">
        <div>
          <h1>Organisation</h1>
          <p class="lead">What holds in every room, and what no room may relax.</p>
        </div>
        <div class="page-actions">
          <Button onPress={() => go("/")}>All rooms</Button>
        </div>
      </div>
      <Tabs
        label="Parts of the organisation"
        chosen={props.part}
        onChoose={(part) => go(part === "settings" ? "/organisation" : `/organisation/${part}`)}
        tabs={ORGANISATION_PARTS.map((name) => ({ name, label: PARTS[name] }))}
      >
        <section class="card">
          <h2 class="unseen">{PARTS[props.part]}</h2>
          <Part part={props.part} me={me.id} />
        </section>
        {props.part === "settings" && <Emergency />}
      </Tabs>
    </Frame>
  );
}

function Part(props: { part: OrganisationPart; me: string }): JSX.Element {
  switch (props.part) {
    case "settings":
      return <OrganisationSettings />;
    case "members":
      return <Members me={props.me} />;
    case "sign-in":
      return <SignInRules />;
    case "keys":
      return <ApiKeys />;
    case "webhooks":
      return <Webhooks />;
    case "embedding":
      return <Embedding />;
    case "audit":
      return <AuditView />;
  }
}

function OrganisationSettings(): JSX.Element {
  const settings = useSignal<SettingView[] | null>(null);
  const twoHosts = useSignal<boolean | null>(null);
  const asksFactor = useSignal(false);
  const turns = useTurns();
  const trouble = useSignal<string | null>(null);
  const attempt = async (work: () => Promise<void>) => {
    trouble.value = null;
    try {
      await work();
    } catch (failure) {
      trouble.value = textOf(failure);
    }
  };
  const load = async () => {
    const found = await turns.begin(api.organisationSettings());
    if (found === null) return;
    settings.value = found.settings;
    twoHosts.value = found.two_person_admission;
    asksFactor.value = found.require_second_factor;
  };
  useEffect(() => void attempt(load), []);
  const change = (key: string, value: string, locked: boolean) =>
    attempt(async () => {
      await api.changeOrganisationSetting(key, value, locked);
      await load();
    });
  const source: SettingsSource = {
    preview: null,
    entry: null,
    change: (key, value) => change(key, value, settings.value?.find((one) => one.key === key)?.locked ?? false),
    lock: (setting, locked) => change(setting.key, setting.value, locked),
  };
  return (
    <div class="stack">
      {trouble.value !== null && (
        <p class="alert" role="alert">
          {trouble.value}
        </p>
      )}
      {twoHosts.value !== null && (
        <div class="setting option">
          <Check
            label="Two hosts must agree before anyone is let in"
            hint="The first host’s “let in” is a proposal; a second host confirms it. It holds in every room."
            checked={twoHosts.value}
            onChange={(on) =>
              void attempt(async () => {
                await api.changeOrganisationOptions({ two_person_admission: on });
                await load();
              })
            }
          />
          <Check
            label="Hosts and administrators must have shown a second factor"
            hint="A passkey, a recovery code, or a provider’s word for it. Without one they come in and take part, and lead nothing. It holds at once, also in meetings that run; you must have shown yours to change this."
            checked={asksFactor.value}
            onChange={(on) =>
              void attempt(async () => {
                await api.changeOrganisationOptions({ require_second_factor: on });
                await load();
              })
            }
          />
        </div>
      )}
      {settings.value === null ? <p class="hint">One moment.</p> : <SettingsList settings={settings.value} source={source} />}
    </div>
  );
}
