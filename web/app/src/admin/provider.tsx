// The form of one provider: where it is, what it calls this server, and the rules for what it says of people.

import { CallFailed, control, type IssuerChecked, type NewProvider, type Provider, type ProviderRule } from "@conclave/sdk";
import { useSignal, type Signal } from "@preact/signals";
import type { JSX } from "preact";
import { whilePresent } from "../pages/present";
import { Button } from "../ui/button";
import { CopyLine } from "../ui/copy";
import { Dialog } from "../ui/dialog";
import { Choice, Field } from "../ui/field";
import { textOf } from "../ui/failure";
import { Form } from "../ui/form";
import { checkedWords, RULES, wordsOf, type RuleKind } from "../words/providers";

const KINDS = [
  { value: "openid", label: "OpenID Connect" },
  { value: "google", label: "Google" },
  { value: "facebook", label: "Facebook" },
];
const ACCOUNTS = [
  { value: "linked", label: "Whoever linked it before" },
  { value: "made", label: "Everyone whom it lets in" },
];

interface Props {
  title: string;
  submit: string;
  start?: Provider;
  redirects: readonly string[];
  onSubmit: (wanted: Omit<NewProvider, "id">) => Promise<void>;
  onClose: () => void;
}

/** A rule as it is typed. */
interface Typed {
  key: number;
  claim: string;
  values: string;
}

let keys = 0;

function typed(rules: readonly ProviderRule[] | undefined): Typed[] {
  return (rules ?? []).map((rule) => ({ key: (keys += 1), claim: rule.claim, values: rule.values.join(", ") }));
}

function ruled(rules: readonly Typed[]): ProviderRule[] {
  return rules.map((rule) => ({ claim: rule.claim.trim(), values: rule.values.split(",").map((value) => value.trim()).filter((value) => value !== "") }));
}

export function ProviderDialog(props: Props): JSX.Element {
  const { start } = props;
  const kind = useSignal<string>(start?.kind ?? "openid");
  const name = useSignal(start?.name ?? "");
  const issuer = useSignal(start?.issuer ?? "");
  const client = useSignal(start?.client_id ?? "");
  const secret = useSignal("");
  const scopes = useSignal(start?.scopes.join(" ") ?? "");
  const accounts = useSignal<string>(start?.accounts ?? "linked");
  const rules: Record<RuleKind, Signal<Typed[]>> = {
    required: useSignal(typed(start?.required)),
    creators: useSignal(typed(start?.creators)),
    admins: useSignal(typed(start?.admins)),
    second_factor: useSignal(typed(start?.second_factor)),
  };
  const openid = kind.value === "openid";
  const redirect = props.redirects.find((address) => address.startsWith(`${location.origin}/`)) ?? props.redirects[0] ?? "";
  return (
    <Dialog title={props.title} wide onClose={props.onClose}>
      <Form
        submit={props.submit}
        onSubmit={() =>
          props.onSubmit({
            kind: kind.value as NewProvider["kind"],
            ...(openid ? { issuer: issuer.value.trim() } : {}),
            name: name.value.trim(),
            client_id: client.value.trim(),
            ...(secret.value === "" ? {} : { client_secret: secret.value }),
            scopes: wordsOf(scopes.value),
            accounts: accounts.value as NewProvider["accounts"],
            required: ruled(rules.required.value),
            creators: ruled(rules.creators.value),
            admins: ruled(rules.admins.value),
            second_factor: ruled(rules.second_factor.value),
          })
        }
      >
        <Choice label="Kind" value={kind.value} options={KINDS} disabled={start !== undefined} onChange={(value) => (kind.value = value)} />
        <Field label="Name" value={name.value} onInput={(value) => (name.value = value)} required maxLength={64} autofocus hint="Stands on the button: “Sign in with …”." />
        {openid && start === undefined && <Issuer issuer={issuer} />}
        {openid && start !== undefined && (
          <p class="hint">
            Issuer <span class="admin-address">{start.issuer}</span>. Another issuer knows other people: add it as another provider.
          </p>
        )}
        <CopyLine
          label="Redirect address"
          value={redirect}
          hint={`Register it with the provider, which gives you the client ID and the secret.${props.redirects.length > 1 ? " This server has other addresses too: “Redirect address” in the list shows one for each." : ""}`}
        />
        <Field label="Client ID" value={client.value} onInput={(value) => (client.value = value)} required maxLength={256} plainText />
        <Field
          label="Client secret"
          type="password"
          autocomplete="off"
          value={secret.value}
          onInput={(value) => (secret.value = value)}
          required={start === undefined}
          maxLength={1024}
          hint={start === undefined ? "It is sealed and never shown again." : "Leave it empty to keep the one that is stored. It is never shown."}
        />
        <Field label="More scopes" value={scopes.value} onInput={(value) => (scopes.value = value)} maxLength={1024} plainText hint="Words with spaces between them, such as groups. The provider says which claims come with them." />
        <Choice label="Who can sign in with it?" value={accounts.value} options={ACCOUNTS} onChange={(value) => (accounts.value = value)} />
        {(Object.keys(RULES) as RuleKind[]).map((which) => (
          <RuleList key={which} which={which} rules={rules[which]} />
        ))}
      </Form>
    </Dialog>
  );
}

/** The issuer, and what it says of itself when it is asked. */
function Issuer(props: { issuer: Signal<string> }): JSX.Element {
  const checked = useSignal<IssuerChecked | null>(null);
  const trouble = useSignal<string | null>(null);
  const asked = useSignal("");
  return (
    <div class="issuer">
      <Field label="Issuer" value={props.issuer.value} onInput={(value) => (props.issuer.value = value)} required maxLength={256} plainText hint="To the letter, such as https://login.example.org/realm. The rest is discovered there." />
      <Button
        onPress={async () => {
          checked.value = null;
          trouble.value = null;
          asked.value = props.issuer.value.trim();
          try {
            if (asked.value === "") throw new CallFailed("internal", "Fill in the issuer first.");
            checked.value = await whilePresent(() => control.checkIssuer(asked.value));
          } catch (failure) {
            trouble.value = textOf(failure);
          }
        }}
      >
        Check
      </Button>
      <div role="status" class={checked.value === null ? "unseen" : "note"}>
        {checked.value !== null && checkedWords(checked.value, asked.value).map((words) => <p key={words}>{words}</p>)}
      </div>
      {trouble.value !== null && (
        <p class="alert" role="alert">
          {trouble.value}
        </p>
      )}
    </div>
  );
}

function RuleList(props: { which: RuleKind; rules: Signal<Typed[]> }): JSX.Element {
  const { which, rules } = props;
  const about = RULES[which];
  const change = (key: number, part: Partial<Typed>) => (rules.value = rules.value.map((rule) => (rule.key === key ? { ...rule, ...part } : rule)));
  return (
    <fieldset class="choices rules">
      <legend>{about.title}</legend>
      <p class="hint">{about.hint}</p>
      {rules.value.map((rule, at) => (
        <div class="rule" key={rule.key}>
          <Field label={`Claim ${at + 1}`} value={rule.claim} onInput={(claim) => change(rule.key, { claim })} required maxLength={256} plainText />
          <Field label={`Values ${at + 1}`} value={rule.values} onInput={(values) => change(rule.key, { values })} required maxLength={4096} plainText hint="With commas between them." />
          <Button small label={`Take away rule ${at + 1} of “${about.title}”`} onPress={() => (rules.value = rules.value.filter((one) => one.key !== rule.key))}>
            Take away
          </Button>
        </div>
      ))}
      <Button small disabled={rules.value.length >= 32} label={`Add a rule to “${about.title}”`} onPress={() => (rules.value = [...rules.value, { key: (keys += 1), claim: "", values: "" }])}>
        Add a rule
      </Button>
    </fieldset>
  );
}
