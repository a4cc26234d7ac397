#!/usr/bin/env bash
# Runs every kind of test, whatever fails before, and says at the end how many ran of each. The last line is the sum.
set -uo pipefail
cd "$(dirname "$0")/.."

# What is compiled takes most of it; what was compiled before takes no more. Full disks break tests in strange ways.
if [ -d target/debug/deps ]; then needed=2; else needed=9; fi
free=$(df --output=avail -BG . | tail -n 1 | tr -dc 0-9)
if [ "${free:-$needed}" -lt "$needed" ]; then
    echo "test: the disk has $free GB left, and the tests need $needed GB or more" >&2
    exit 1
fi

logs=target/test
rm -rf "$logs"
mkdir -p "$logs"
broken=()

# stage NAME COMMAND…: runs it, keeps what it says, goes on if it fails.
stage() {
    local name=$1 started=$SECONDS
    shift
    echo "== $name"
    if "$@" 2>&1 | tee "$logs/$name"; then
        echo "== $name: done in $((SECONDS - started)) s"
    else
        echo "== $name: FAILED after $((SECONDS - started)) s"
        broken+=("$name")
    fi
}

stage web make --no-print-directory web
stage check make --no-print-directory check
stage rust make --no-print-directory rust
stage web-test make --no-print-directory web-test
stage e2e make --no-print-directory e2e
stage fuzz make --no-print-directory fuzz-smoke SECONDS_EACH="${FUZZ_SECONDS:-10}"

# cargo test: what stands in src/ are unit tests, what stands in tests/ are stories; the rest are examples in docs.
read -r -d '' rust <<'AWK'
/^ *Running unittests/ { kind = "unit" }
/^ *Running tests\// { kind = "story" }
/^ *Doc-tests/ { kind = "doc" }
/^test result:/ { passed[kind] += $4; failed[kind] += $6 }
END { printf "%d %d %d %d %d %d\n", passed["unit"], failed["unit"], passed["story"], failed["story"], passed["doc"], failed["doc"] }
AWK
plain() { sed 's/\x1b\[[0-9;]*m//g' "$logs/$1" 2>/dev/null; }
read -r unit unit_bad story story_bad doc doc_bad < <(plain rust | awk "$rust")
# vitest: "Tests  3 failed | 41 passed (44)"
of() { plain web-test | sed -nE "s/^ *Tests .*[^0-9]([0-9]+) $1.*/\1/p" | tail -n 1; }
web=$(of passed) web_bad=$(of failed)
# node --test: "ℹ pass 9"
browser=$(plain e2e | sed -nE 's/^(ℹ|#) pass ([0-9]+)$/\2/p' | tail -n 1)
browser_bad=$(plain e2e | sed -nE 's/^(ℹ|#) fail ([0-9]+)$/\2/p' | tail -n 1)
fuzz=$(plain fuzz | grep -c '^fuzz .* ok, ')
fuzz_bad=$(plain fuzz | grep -c '^fuzz .*FAILED')

echo
passed=0 failed=0
count() {
    printf '%-16s %5d passed, %d failed\n' "$1" "${2:-0}" "${3:-0}"
    passed=$((passed + ${2:-0})) failed=$((failed + ${3:-0}))
    # A kind of which nothing ran is a fault, not a success.
    if [ "${2:-0}" -eq 0 ]; then broken+=("no $1"); fi
}
count "Rust unit" "$unit" "$unit_bad"
count "Rust stories" "$story" "$story_bad"
count "Rust examples" "$doc" "$doc_bad"
count "web unit" "$web" "$web_bad"
count "browser stories" "$browser" "$browser_bad"
count "fuzz targets" "$fuzz" "$fuzz_bad"
plain e2e | grep '^came right only the second time' || true
echo "after $((SECONDS / 60)) min $((SECONDS % 60)) s"
if [ ${#broken[@]} -gt 0 ]; then
    echo "not in order: ${broken[*]}"
    # What fails without a test of its own, such as a build or a gate, counts as one.
    if [ "$failed" -eq 0 ]; then failed=${#broken[@]}; fi
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ ${#broken[@]} -eq 0 ]
