// A picture that the server keeps. It is fetched with a proof, as everything is, and shown from memory; nothing stands in its place
// until it is there, or if it cannot be had.

import { api } from "@conclave/sdk";
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";

/** Enough for every face on a page of the largest meeting. */
const MOST = 512;
/** By the id of the picture, the one that was shown longest ago first. */
const shown = new Map<string, Promise<string>>();

export function Portrait(props: { id: string }): JSX.Element | null {
  const { id } = props;
  const [address, setAddress] = useState<string | null>(null);
  useEffect(() => {
    let here = true;
    setAddress(null);
    addressOf(id).then(
      (found) => {
        if (here) setAddress(found);
      },
      () => shown.delete(id),
    );
    return () => {
      here = false;
    };
  }, [id]);
  return address === null ? null : <img src={address} alt="" />;
}

function addressOf(id: string): Promise<string> {
  const address = shown.get(id) ?? api.picture(id).then((picture) => URL.createObjectURL(picture));
  shown.delete(id);
  shown.set(id, address);
  for (const [oldest, gone] of shown) {
    if (shown.size <= MOST) break;
    shown.delete(oldest);
    // What is still on the page stays there: it was read already.
    gone.then(
      (url) => URL.revokeObjectURL(url),
      () => undefined,
    );
  }
  return address;
}
