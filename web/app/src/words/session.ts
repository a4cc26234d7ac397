// What is said to somebody whose session was copied.

/** Characters that a password has at least. */
export const SHORTEST_PASSWORD = 12;

export const COPIED = "Someone showed a copy of your session and was refused. It does not work without this browser.";

/** How often, and when last. */
export function copiedTimes(times: number, last: number): string {
  const when = new Date(last).toLocaleString();
  return times === 1 ? `It happened at ${when}.` : `It happened ${times} times, last at ${when}.`;
}

export const COPIED_ADVICE = "Somebody has had access to what this browser stores. Sign out to end the session, and have this device looked at.";
