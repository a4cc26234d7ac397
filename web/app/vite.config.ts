// How the page is built: hashed files, nothing inlined, so that the page runs under a policy without `unsafe-inline`.
// The dev server passes the API and the WebSocket to a server on this machine (CONCLAVE_URL).

import { defineConfig } from "vite";

const server = process.env["CONCLAVE_URL"] ?? "https://localhost:8443";

export default defineConfig({
  base: "/",
  build: {
    outDir: "../dist",
    emptyOutDir: true,
    target: ["chrome110", "firefox115", "safari16.4"],
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    sourcemap: false,
  },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  server: {
    proxy: {
      "/api": { target: server, secure: false },
      "/ws": { target: server, secure: false, ws: true },
    },
  },
});
