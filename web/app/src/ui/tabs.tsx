// Tabs over one panel: arrow keys go from tab to tab, as the pattern for tabs has it.

import type { ComponentChildren, JSX } from "preact";
import { useId } from "preact/hooks";

export interface Tab<Name extends string> {
  name: Name;
  label: string;
  /** A number behind the label, when it is not 0. */
  count?: number;
}

export interface TabsProps<Name extends string> {
  label: string;
  tabs: readonly Tab<Name>[];
  chosen: Name;
  onChoose: (name: Name) => void;
  children: ComponentChildren;
}

export function Tabs<Name extends string>(props: TabsProps<Name>): JSX.Element {
  const id = useId();
  if (props.tabs.length < 2) return <>{props.children}</>;
  const move = (event: JSX.TargetedKeyboardEvent<HTMLDivElement>) => {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (step === 0) return;
    event.preventDefault();
    const at = props.tabs.findIndex((tab) => tab.name === props.chosen);
    const next = props.tabs[(at + step + props.tabs.length) % props.tabs.length];
    if (next === undefined) return;
    props.onChoose(next.name);
    event.currentTarget.querySelector<HTMLElement>(`[data-tab="${next.name}"]`)?.focus();
  };
  return (
    <div class="tabs">
      <div class="tab-list" role="tablist" aria-label={props.label} onKeyDown={move}>
        {props.tabs.map((tab) => {
          const chosen = tab.name === props.chosen;
          return (
            <button
              key={tab.name}
              type="button"
              role="tab"
              id={`${id}-${tab.name}`}
              data-tab={tab.name}
              class="tab"
              aria-selected={chosen}
              aria-controls={chosen ? `${id}-panel` : undefined}
              tabIndex={chosen ? 0 : -1}
              onClick={() => props.onChoose(tab.name)}
            >
              {tab.label}
              {tab.count !== undefined && tab.count > 0 && <span class="tab-count">{tab.count}</span>}
            </button>
          );
        })}
      </div>
      <div class="tab-panel" role="tabpanel" id={`${id}-panel`} aria-labelledby={`${id}-${props.chosen}`}>
        {props.children}
      </div>
    </div>
  );
}
