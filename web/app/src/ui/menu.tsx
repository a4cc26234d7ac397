// A button that opens a short list of acts below itself. It closes on Escape, on a choice and when the focus goes elsewhere.

import { useSignal } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";
import { useId, useLayoutEffect, useRef } from "preact/hooks";

export interface MenuItem {
  label: string;
  /** The key that does the same without the menu. */
  shortcut?: string | undefined;
  danger?: boolean;
  run: () => unknown;
}

export function Menu(props: { label: string; class?: string; items: readonly MenuItem[]; children: ComponentChildren }): JSX.Element {
  const open = useSignal(false);
  const id = useId();
  const place = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const list = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const [from, menu] = [button.current, list.current];
    if (!open.value || from === null || menu === null) return;
    // Above everything: a tile cuts off what hangs out of it.
    menu.showPopover();
    const at = from.getBoundingClientRect();
    menu.style.top = `${Math.max(8, Math.min(at.bottom + 4, innerHeight - menu.offsetHeight - 8))}px`;
    menu.style.left = `${Math.max(8, at.right - menu.offsetWidth)}px`;
    menu.querySelector<HTMLElement>("[role=menuitem]")?.focus();
  }, [open.value]);
  const close = (back: boolean) => {
    open.value = false;
    if (back) button.current?.focus();
  };
  const press = (event: JSX.TargetedKeyboardEvent<HTMLDivElement>) => {
    if (event.key === "Escape") {
      event.stopPropagation();
      close(true);
      return;
    }
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (step === 0) return;
    event.preventDefault();
    const items = [...event.currentTarget.querySelectorAll<HTMLElement>("[role=menuitem]")];
    const at = items.findIndex((item) => item === document.activeElement);
    items[(at + step + items.length) % items.length]?.focus();
  };
  return (
    <div
      class="menu"
      ref={place}
      onFocusOut={(event) => {
        if (open.value && !(event.relatedTarget instanceof Node && event.currentTarget.contains(event.relatedTarget))) close(false);
      }}
    >
      <button
        type="button"
        ref={button}
        class={props.class ?? "button button-quiet button-small"}
        aria-haspopup="menu"
        aria-expanded={open.value}
        aria-controls={open.value ? id : undefined}
        aria-label={props.label}
        onClick={() => (open.value = !open.value)}
      >
        {props.children}
      </button>
      {open.value && (
        <div class="menu-list" role="menu" popover="manual" ref={list} id={id} aria-label={props.label} onKeyDown={press}>
          {props.items.map((item) => (
            <button
              key={item.label}
              type="button"
              role="menuitem"
              tabIndex={-1}
              class={item.danger === true ? "menu-item menu-item-danger" : "menu-item"}
              aria-keyshortcuts={item.shortcut}
              onClick={() => {
                close(true);
                void item.run();
              }}
            >
              <span>{item.label}</span>
              {item.shortcut !== undefined && <kbd aria-hidden="true">{item.shortcut}</kbd>}
            </button>
          ))}
        </div>
      )}
    </div>
  );
}
