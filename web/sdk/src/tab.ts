// The resume secret of this tab, one per room. It lives in `sessionStorage`: it outlasts a crash or a reload of the tab and
// is seen by no other tab. It is forgotten on leaving and on removal.

export interface TabStore {
  read(room: string): string | null;
  write(room: string, secret: string): void;
  forget(room: string): void;
}

const PREFIX = "conclave.resume.";

export function sessionTabStore(storage: Storage): TabStore {
  return {
    read: (room) => storage.getItem(PREFIX + room),
    write: (room, secret) => storage.setItem(PREFIX + room, secret),
    forget: (room) => storage.removeItem(PREFIX + room),
  };
}
