// The sentence for whatever was thrown: the server's own text when it gave one.

import { CallFailed } from "@conclave/sdk";

export function textOf(failure: unknown): string {
  return failure instanceof CallFailed ? failure.message : "Something went wrong on this page. Try again.";
}
