// The size of an element as it is on the page, kept current while it is there.

import { useCallback, useEffect, useState } from "preact/hooks";

export interface Space {
  width: number;
  height: number;
}

/** A function to give as `ref`, and the size of what it was given. */
export function useSize<Kind extends HTMLElement>(): [(element: Kind | null) => void, Space] {
  const [element, setElement] = useState<Kind | null>(null);
  const [size, setSize] = useState<Space>({ width: 0, height: 0 });
  useEffect(() => {
    if (element === null) return undefined;
    const observer = new ResizeObserver(([entry]) => {
      if (entry !== undefined) setSize({ width: entry.contentRect.width, height: entry.contentRect.height });
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, [element]);
  return [useCallback((given: Kind | null) => setElement(given), []), size];
}
