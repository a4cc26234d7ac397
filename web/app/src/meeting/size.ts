// The size of an element as it is on the page, kept current.

import type { RefObject } from "preact";
import { useEffect, useState } from "preact/hooks";

export interface Space {
  width: number;
  height: number;
}

export function useSize(ref: RefObject<HTMLElement>): Space {
  const [size, setSize] = useState<Space>({ width: 0, height: 0 });
  useEffect(() => {
    const element = ref.current;
    if (element === null) return undefined;
    const observer = new ResizeObserver(([entry]) => {
      if (entry !== undefined) setSize({ width: entry.contentRect.width, height: entry.contentRect.height });
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return size;
}
