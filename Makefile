# The two commands are `make run` and `make test`. `make check` is the gate that every change passes.
SHELL := /bin/bash
WEB := npm --prefix web --silent run
CARGO := cargo
# The caption workers, which the server starts from beside its own program.
WORKER := build --locked -p conclave-captions --features worker --bin conclave-captioner
# Whatever is tested is built once and in one way: all packages, the caption workers, and what only their tests use.
ALL := --locked --workspace --features conclave-captions/worker,conclave-captions/oracle
export CARGO_TEST := $(CARGO) test $(ALL)

.PHONY: setup run test check fmt clippy deny types architecture web web-test rust captions e2e fuzz-smoke proof bench bench-policy bench-media bench-auth bench-janus bench-captions

# Installs what building and testing need and is not there yet.
setup:
	ops/setup.sh --tests

# Starts the server at https://localhost:8443. `make run ARGS="--config my.toml"` hands it settings.
run:
	ops/setup.sh
	$(WEB) build
	$(CARGO) build --release --locked
	$(CARGO) $(WORKER) --release
	./target/release/conclave serve $(ARGS)

# Everything below but `proof` and `bench`; says at the end how many tests of each kind ran.
test: setup
	ops/test.sh

check: fmt clippy deny architecture types

fmt:
	$(CARGO) fmt --all --check

clippy:
	$(CARGO) clippy $(ALL) --all-targets -- -D warnings

# Licences, bans and sources always; advisories where their database can be reached.
deny:
	ops/deny.sh

# Imports point down only, and what else tests/architecture.rs reads in the source.
architecture:
	$(CARGO_TEST) --quiet --test architecture

# The TypeScript compiles, and its types of the protocol are those of the Rust code.
types:
	$(WEB) check
	ops/types.sh

web:
	$(WEB) build

web-test:
	$(WEB) test

# The server, the rules and the caption workers; then once more what touches the other database.
rust:
	$(CARGO_TEST) --no-fail-fast
	ops/postgres.sh $(CARGO_TEST) --lib store::
	ops/postgres.sh $(CARGO_TEST) --test attacks canary

# The caption workers and everything that only they link.
captions:
	$(CARGO) test --locked -p conclave-captions --features worker,oracle,fetch --no-fail-fast

# Real browsers against the server that `make rust` builds.
e2e: web
	$(CARGO_TEST) --quiet --no-run
	$(WEB) e2e

# Each fuzz target for SECONDS.
SECONDS_EACH ?= 20
fuzz-smoke:
	ops/fuzz.sh $(SECONDS_EACH)

# The same tests with the counts that the issues ask for: hours of a patient machine rather than minutes.
proof: setup
	STORY_SILENCE_SECONDS=600 STORY_SPEECH_MINUTES=60 STORY_NETWORK=full E2E_LOSS_SECONDS=60 E2E_SENTENCES=10 STORY_KILLS=200 STORY_LOGIN_SAMPLES=2000 CAPTION_KILLS=50 STORY_LOBBY_FLOOD=10000 STORY_SEQUENCES=100000 STORY_SCHEMATHESIS=50000 PROPTEST_CASES=20000 FUZZ_SECONDS=300 ops/test.sh

# The figures, one to a line.
bench: web
	$(CARGO) bench --locked --workspace --bench '*'
	CONCLAVE_BIN=$(CURDIR)/target/release/conclave $(WEB) bench

# Those of the guard alone: decisions, standing permits asked again, the last packet after a mute, a waiting guest.
bench-policy: web
	$(CARGO) bench --locked --bench policy

# CPU, latency and loss of forwarding beside Debian's Janus, by the neutral load generator in the folder GENERATOR.
GENERATOR ?= ../shared/bench
bench-janus:
	bench/janus.sh $(GENERATOR) $(ARGS)

# Those of the packet path: what a forwarded packet costs in memory and on sockets, what it allocates, memory, joins.
bench-media:
	$(CARGO) bench --locked --bench media

# Those of sessions: what checking a token costs, a meeting beside a thousand sign-ins, the last packet after a session's end.
bench-auth:
	$(CARGO) bench --locked --bench auth

# What captions cost beside whisper.cpp's bare passes, how many can talk at once, how late words come, what translating
# takes, and what a tap costs the packet path.
bench-captions:
	$(CARGO) bench --locked -p conclave-captions --features worker,oracle --bench captions
	$(CARGO) bench --locked --bench media -- tap
