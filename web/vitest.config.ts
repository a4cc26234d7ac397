// Unit tests of the sdk and of the page's pure parts. They run in node: whatever needs a browser is tested in e2e.

import { defineConfig } from "vitest/config";

export default defineConfig({
  test: { include: ["{sdk,app}/test/**/*.test.ts"], environment: "node" },
});
