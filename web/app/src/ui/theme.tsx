// One button for light and dark: it names what holds and goes on to the next.

import type { JSX } from "preact";
import { nextTheme, setTheme, theme, THEMES } from "../theme";
import { Button } from "./button";
import { HalfMoon, Moon, Sun } from "./icons";

export function ThemeButton(): JSX.Element {
  const now = theme.value;
  const words = THEMES.find((one) => one.value === now)?.label ?? "";
  return (
    <Button small kind="quiet" label={`Look: ${words}. Change`} onPress={() => setTheme(nextTheme(now))}>
      {now === "light" ? <Sun size={18} /> : now === "dark" ? <Moon size={18} /> : <HalfMoon size={18} />}
    </Button>
  );
}
