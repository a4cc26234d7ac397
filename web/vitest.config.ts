// Unit tests of the sdk, of the page's pure parts and of what its components do over time. They run in node: whatever needs a browser is
// tested in e2e.

import { defineConfig } from "vitest/config";

export default defineConfig({
  test: { include: ["{sdk,app}/test/**/*.test.ts"], environment: "node" },
});
