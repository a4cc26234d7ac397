// The start of the page: styles, the address, the account, and the page that belongs to the address.

import { render } from "preact";
import "./styles/index.css";
import { App } from "./app";
import { startRouting } from "./route";
import { startTheme } from "./theme";

startTheme();
startRouting();
const root = document.getElementById("app");
if (root !== null) render(<App />, root);
