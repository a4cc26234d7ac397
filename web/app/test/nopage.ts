// To be imported before all else: what modules look for as they are loaded, where there is no page.

import { vi } from "vitest";

const nothing = () => undefined;
vi.stubGlobal("localStorage", { getItem: () => null, setItem: nothing, removeItem: nothing });
vi.stubGlobal("document", Object.assign(new EventTarget(), { hidden: false, title: "" }));
vi.stubGlobal("navigator", {});
vi.stubGlobal("addEventListener", nothing);
vi.stubGlobal("removeEventListener", nothing);
