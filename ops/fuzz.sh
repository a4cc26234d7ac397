#!/usr/bin/env bash
# Builds every fuzz target and runs each for some seconds: ops/fuzz.sh [seconds] [target…]
#
# The layout is cargo-fuzz's, so `cargo fuzz run TARGET` works too. This way needs neither that tool nor another
# toolchain: coverage is a matter of code generation (ops/covered.sh), and our code has no unsafe block to sanitise.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-20}
shift || true
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    mapfile -t targets < <(basename -s .rs fuzz/fuzz_targets/*.rs)
fi

# The same versions as the server's.
cp Cargo.lock fuzz/Cargo.lock
echo "== fuzz: building ${#targets[@]} targets"
FUZZ_TARGETS=$(basename -s .rs fuzz/fuzz_targets/*.rs | xargs) RUSTC_WRAPPER=$PWD/ops/covered.sh \
    cargo build --quiet --manifest-path fuzz/Cargo.toml --target-dir target

run() {
    local target=$1 seconds=$2 binary=$3 log
    log=fuzz/artifacts/$target/log
    mkdir -p "fuzz/corpus/$target" "fuzz/seeds/$target" "fuzz/artifacts/$target"
    if "$binary" -max_total_time="$seconds" -timeout=25 -rss_limit_mb=1024 -print_final_stats=1 \
        -artifact_prefix="fuzz/artifacts/$target/" "fuzz/corpus/$target" "fuzz/seeds/$target" >"$log" 2>&1; then
        echo "fuzz $target ... ok, $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") runs in $seconds s"
    else
        echo "fuzz $target ... FAILED"
        tail -n 40 "$log"
        return 1
    fi
}
export -f run

failed=0
results=$(mktemp)
trap 'rm -f "$results"' EXIT
printf '%s\n' "${targets[@]}" |
    xargs -P "$(nproc)" -I{} bash -c 'run "$@"' _ {} "$seconds" "target/debug/{}" | tee "$results" || true
failed=$(grep -c '^fuzz .*FAILED' "$results" || true)
passed=$(grep -c '^fuzz .* ok, ' "$results" || true)
echo "fuzz: $passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -eq ${#targets[@]} ]
