#!/usr/bin/env bash
# Compares the generated TypeScript in the repository with what the Rust types say today. Changes nothing;
# `cargo test` writes them anew.
set -euo pipefail
cd "$(dirname "$0")/.."

fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
TS_RS_EXPORT_DIR=$fresh ${CARGO_TEST:-cargo test --locked} --quiet --lib export_bindings >"$fresh.log" 2>&1 || { cat "$fresh.log"; exit 1; }
rm -f "$fresh.log"
if diff -r "$fresh" web/sdk/src/generated; then
    echo "types: $(find "$fresh" -name '*.ts' | wc -l) files are what the Rust types say"
else
    echo "types: web/sdk/src/generated differs from the Rust types; \`cargo test --lib export_bindings\` writes it"
    exit 1
fi
