// The line of this device as some browsers tell it. Others say only that they are online again.

/** Calls when the device changed from one network to another, until the returned function is called; never where the browser does not say. */
export function onLineChange(navigator: Navigator, changed: () => void): () => void {
  const { connection } = navigator as Navigator & { connection?: EventTarget & { readonly type?: string } };
  if (!(connection instanceof EventTarget)) return () => undefined;
  let type = connection.type;
  const listen = () => {
    const before = type;
    type = connection.type;
    // The event also comes with each new estimate of the same line, and when there is none at all.
    if (type !== before && type !== "none") changed();
  };
  connection.addEventListener("change", listen);
  return () => connection.removeEventListener("change", listen);
}
