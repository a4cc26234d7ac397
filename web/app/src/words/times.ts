// Points in time, as the reader's own browser writes them.

export function dayOf(time: number): string {
  return new Date(time).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}
