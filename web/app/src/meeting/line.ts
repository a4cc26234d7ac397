// The line of this device as some browsers tell it. Others say only that they are online again.

/** Tells when the device changed from one network to another; null where the browser does not say. */
export function lineOf(navigator: Navigator): EventTarget | null {
  const { connection } = navigator as Navigator & { connection?: unknown };
  return connection instanceof EventTarget ? connection : null;
}
