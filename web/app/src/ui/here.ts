// Whether what asked for something is still on the page: what comes later is not for whatever stands in its place.

import { useLayoutEffect, useMemo } from "preact/hooks";

/** Aborted when the component that asks for it is gone. */
export function useHere(): AbortSignal {
  const here = useMemo(() => new AbortController(), []);
  useLayoutEffect(() => () => here.abort(), []);
  return here.signal;
}
