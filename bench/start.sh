#!/usr/bin/env bash
# Starts a fresh server for one run of the load generator, makes a room and tokens, and prints the process id of the server. What is
# relaxed is what the run asks for and no more: rates per address (all clients come from one), participants, a start without a host.
set -euo pipefail
cd "$(dirname "$0")"

server=${CONCLAVE_BIN:-$PWD/../target/release/conclave}
# One processor is all it gets: with two shards half of the datagrams would come to the one that must hand them on.
export CONCLAVE_MEDIA__SHARDS=${CONCLAVE_MEDIA__SHARDS:-1}
export CONCLAVE_METRICS=127.0.0.1:9464
export CONCLAVE_LIMITS__REQUESTS_PER_SECOND=10000 CONCLAVE_LIMITS__REQUESTS_BURST=100000
export CONCLAVE_LIMITS__ARRIVALS_PER_SECOND=10000 CONCLAVE_LIMITS__ARRIVALS_BURST=100000
export CONCLAVE_LIMITS__CONNECTIONS_PER_ADDRESS=5000
export CONCLAVE_LOG__FILTER=${CONCLAVE_LOG__FILTER:-warn}

"$server" serve --data "$SCRATCH/data" --listen 127.0.0.1:8443 >"$SCRATCH/said" 2>"$SCRATCH/log" &
pid=$!
for _ in $(seq 300); do
    grep -q '^owner link: ' "$SCRATCH/said" && break
    kill -0 "$pid" 2>/dev/null || { cat "$SCRATCH/log" >&2; exit 1; }
    sleep 0.1
done
python3 prepare.py "$(sed -n 's/^owner link: .*#//p' "$SCRATCH/said")" "$SCRATCH" "$PUBLISHERS" "$SUBSCRIBERS"
echo "$pid"
