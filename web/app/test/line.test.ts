// When the page takes the device to have changed its network.

import { expect, test, vi, type Mock } from "vitest";
import { onLineChange } from "../src/meeting/line";

class Connection extends EventTarget {
  constructor(public type?: string) {
    super();
  }

  say(type?: string): void {
    this.type = type;
    this.dispatchEvent(new Event("change"));
  }
}

function watched(type?: string): { connection: Connection; changed: Mock<() => void>; end: () => void } {
  const connection = new Connection(type);
  const changed = vi.fn<() => void>();
  return { connection, changed, end: onLineChange({ connection } as unknown as Navigator, changed) };
}

test("another kind of network is a change, a new estimate of the same one is none", () => {
  const { connection, changed, end } = watched("wifi");
  connection.say("wifi");
  expect(changed).not.toHaveBeenCalled();
  connection.say("cellular");
  connection.say("cellular");
  expect(changed).toHaveBeenCalledOnce();
  end();
  connection.say("wifi");
  expect(changed).toHaveBeenCalledOnce();
});

test("a device without a network has not changed to another yet", () => {
  const { connection, changed } = watched("wifi");
  connection.say("none");
  expect(changed).not.toHaveBeenCalled();
  connection.say("wifi");
  expect(changed).toHaveBeenCalledOnce();
});

test("where the kind is not told nothing is taken from it", () => {
  const { connection, changed } = watched();
  connection.say();
  expect(changed).not.toHaveBeenCalled();
  expect(() => onLineChange({} as Navigator, changed)()).not.toThrow();
});
