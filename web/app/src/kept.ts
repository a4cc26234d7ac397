// What this browser keeps of choices. In a frame of another product's page it may keep nothing: then they last as long as the page.

export type Kept = Pick<Storage, "getItem" | "setItem" | "removeItem">;

export const stored: Kept = own(() => localStorage) ?? memory();

/** The same for this tab alone. */
export const storedHere: Kept = own(() => sessionStorage) ?? memory();

function own(open: () => Storage): Storage | null {
  try {
    return open();
  } catch {
    return null;
  }
}

function memory(): Kept {
  const values = new Map<string, string>();
  return {
    getItem: (name) => values.get(name) ?? null,
    setItem: (name, value) => void values.set(name, value),
    removeItem: (name) => void values.delete(name),
  };
}
