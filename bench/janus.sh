#!/usr/bin/env bash
# Compares this server with Debian's Janus in alternating runs of the neutral load generator, whose folder is the first argument,
# and prints the figures. Fails where a bound is not kept. What the machine itself takes tells `cargo bench --bench media relay`. As
# root, on Linux with two processors; about 8 minutes and what building takes. Further arguments go to compare.py, such as
# `--rounds 1 --duration 3`. ONLY names the scenarios; LOADGEN and CONCLAVE_BIN are programs that are built already.
set -euo pipefail
cd "$(dirname "$0")/.."
generator=$(realpath "${1:?the folder of the load generator}")
shift
only=${ONLY:-1x50,1x100,10x10a,10x10v}

if ! command -v janus >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends janus >/dev/null
fi
if [ -z "${LOADGEN:-}" ]; then
    cargo build --release --locked --manifest-path "$generator/loadgen/Cargo.toml" --target-dir target/bench
fi
if [ -z "${CONCLAVE_BIN:-}" ]; then
    cargo build --release --locked --bin conclave
fi

said=$(mktemp)
trap 'rm -f "$said"' EXIT
# A busy machine would measure itself: both sides go before others.
NICE=${NICE:--10} SERVER_CPU=${SERVER_CPU:-0} CLIENT_CPU=${CLIENT_CPU:-1} setsid -w "$generator/compare.py" \
    bench/server.toml "$generator/janus/server.toml" --loadgen "${LOADGEN:-target/bench/release/loadgen}" \
    --only "$only" "$@" | tee "$said" || true

# The table has the medians, the last lines have the ratios.
awk -F'|' -v only="$only" '
    $2 ~ /^ conclave / { gsub(/ /, ""); loss[$3] = $5; p99[$3] = $8; cost[$3] = $10 }
    /^ratio / {
        split($0, word, " "); name = word[2]
        split(word[3], cpu, "="); split(word[4], late, "=")
        printf "figure janus.%s %s us/packet ratio=%s\n", name, cost[name], cpu[2]
        printf "figure janus.%s.p99 %s us ratio=%s\n", name, p99[name], late[2]
        printf "figure janus.%s.loss %s %%\n", name, loss[name]
        most = name == "10x10a" ? 0.33 : 0.25
        if (cpu[2] !~ /^[0-9.]+$/ || cpu[2] > most || late[2] >= 1 || loss[name] > 0) bad = bad " " name
        seen++
    }
    END {
        if (seen < split(only, names, ",")) bad = bad " (incomplete)"
        if (bad != "") { print "not within bounds:" bad; exit 1 }
    }' "$said"
