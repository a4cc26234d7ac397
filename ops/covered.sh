#!/usr/bin/env bash
# Stands before rustc while fuzz targets are built (RUSTC_WRAPPER): only our crates and the parsers that read what
# strangers send are built with coverage, so that the fuzzer looks where it matters and the build is half as long.
name=
for word; do
    if [ "$name" = next ]; then name=$word; break; fi
    if [ "$word" = --crate-name ]; then name=next; fi
done
case " $FUZZ_TARGETS conclave conclave_captions conclave_policy gif image image_webp josekit png rtc_rtcp rtc_rtp rtc_sdp rtc_stun rusty_opus serde_json weezl zune_jpeg " in
*" $name "*)
    exec "$@" --cfg fuzzing -Cpasses=sancov-module \
        -Cllvm-args=-sanitizer-coverage-level=4 \
        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
        -Cllvm-args=-sanitizer-coverage-pc-table \
        -Cllvm-args=-sanitizer-coverage-trace-compares \
        -Cllvm-args=-sanitizer-coverage-stack-depth
    ;;
*) exec "$@" ;;
esac
