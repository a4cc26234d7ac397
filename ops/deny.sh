#!/usr/bin/env bash
# Judges every dependency by deny.toml.
set -euo pipefail
cd "$(dirname "$0")/.."
source ops/versions.sh

"$DENY" --locked -L error check --hide-inclusion-graph bans licenses sources
if timeout 120 "$DENY" fetch db >/dev/null 2>&1; then
    "$DENY" --locked -L error check --hide-inclusion-graph advisories
else
    echo "advisories: not run, their database cannot be reached from here"
fi
