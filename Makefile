# `make` lists the targets. Everything that they install goes into .tools, .venv and target, all ignored by git.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory
.NOTPARALLEL:

# The tests may not depend on the caller's locale, time zone or backtraces (azure_core puts one into every error).
export LC_ALL := C.UTF-8
export TZ := UTC
unexport RUST_BACKTRACE RUST_LOG
# A snapshot that differs is a failed test, not a new file.
export INSTA_UPDATE := no
# On a machine that builds once, incremental compilation only costs time and disk.
ifeq ($(CI),true)
export CARGO_INCREMENTAL := 0
export CARGO_TERM_COLOR := never
endif

CARGO_DENY_VERSION := 0.20.2
CARGO_DENY := .tools/cargo-deny-$(CARGO_DENY_VERSION)/bin/cargo-deny
AZURITE := .tools/azurite/node_modules/.bin/azurite-blob
STEP := @tools/step

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: demo
demo: .tools/azurite/installed ## build, then play the guard against a simulated Azure in under a minute
	$(STEP) 'build the guard and the simulator (some minutes the first time)' cargo build --locked --workspace --bins
	@target/debug/simulator demo --guard target/debug/aks-stop-guard --azurite $(AZURITE)

# Where cargo puts what it builds, and where what is built as it is released.
BUILT := $(or $(CARGO_TARGET_DIR),target)
RELEASED := $(BUILT)/x86_64-unknown-linux-gnu/release
# One bench of the library, to a file whose lines the table takes in. A limit that is missed does not end it. Without the library's assertions for
# tests: one asks each question of the policies a second time.
LIBRARY_BENCH = $(STEP) 'measure $1' bash -c \
  'cargo bench --quiet --locked --profile simulation --config profile.simulation.package.aks-stop-guard.debug-assertions=false \
  --bench $1 $(if $2,-- $2 )>$(BUILT)/bench-$1.json'

.PHONY: bench
bench: .tools/azurite/installed | .tools/zigbuild/installed ## measure start, events, memory, loads and growth of the released build; docs/bench.json and docs/bench.svg
	$(STEP) 'build the guard as it is released (some minutes)' tools/package build aks-stop-guard
	$(STEP) 'build the minimal and the echo server, and the bare requests, the same way' tools/package build minimal-server bare-requests
	$(STEP) 'build what measures' cargo build --profile simulation --quiet --locked --package bench
	$(STEP) 'package' bash -c 'tools/package stage --binary $(RELEASED)/aks-stop-guard \
	  --dist $(BUILT)/bench-dist && tools/package zip $(BUILT)/bench-dist $(BUILT)/bench.zip'
	$(call LIBRARY_BENCH,policy,$(abspath $(RELEASED))/aks-stop-guard)
	$(call LIBRARY_BENCH,sinks)
	$(call LIBRARY_BENCH,growth)
	@$(BUILT)/simulation/bench --guard $(RELEASED)/aks-stop-guard --beside $(RELEASED) --package $(BUILT)/bench.zip \
	  --azurite $(AZURITE) $(foreach bench,policy sinks growth,--extra $(BUILT)/bench-$(bench).json) \
	  --json docs/bench.json --svg docs/bench.svg --output $(or $(OUTPUT),human)

.PHONY: profile
profile: | .tools/zigbuild/installed ## count what the guard executes in the benchmark, for the optimisation of releases; tools/pgo/ (needs rustup's llvm-tools)
	@tools/pgo.py

.PHONY: package
package: | .tools/zigbuild/installed ## build the portable release, dist/ and its zip file (TARGET=…; PORTABLE=1: fail where it would not be portable)
	@tools/package $(if $(TARGET),--target $(TARGET)) $(if $(PORTABLE),--portable)

# Where it can't be had, tools/package builds with plain cargo and says what that means.
.tools/zigbuild/installed: tools/zigbuild-requirements.txt
	@python3 -m venv .tools/zigbuild
	$(STEP) 'install zig and cargo-zigbuild (100 MB)' \
	  .tools/zigbuild/bin/python -m pip install --quiet --disable-pip-version-check --requirement $< || rm -rf .tools/zigbuild
	@if [[ -d .tools/zigbuild ]]; then touch $@; fi

# The simulation's own profile: whole lives of the guard, optimised, with the feature that lets bugs be planted.
SIMULATION := cargo test --quiet --locked --profile simulation --features mutants --test simulation -- --nocapture --exact

.PHONY: soak
soak: .tools/azurite/installed checkov ## the longest experiments: checkov, every pair of deaths, 200 kills, then a million seeds (SEEDS=…, FROM=…)
	$(STEP) 'every pair of deaths' env GUARD_TEST_ALL_PAIRS=1 \
	  cargo test --quiet --locked --profile simulation --test scenarios two_processes_killed
	$(STEP) '200 kills of the real binary' env GUARD_TEST_KILLS=200 \
	  cargo test --quiet --locked --profile simulation --test end_to_end killed_at_random
	@SIMULATION_SEEDS=$(or $(SEEDS),1000000) SIMULATION_FROM=$(or $(FROM),0) \
	  $(SIMULATION) runner::whatever_goes_wrong_the_promises_hold

.PHONY: replay
replay: ## play the simulation's seed SEED=… once more, and show everything that happens in it
	@SIMULATION_REPLAY=$(or $(SEED),$(error say which: make replay SEED=…)) $(SIMULATION) runner::a_seed_replays_byte_for_byte

.PHONY: test
test: tools lint ## everything that CI runs: lints, docs, and all tests
	$(STEP) 'build' cargo build --quiet --locked --workspace --all-targets
	$(STEP) 'test' tools/tests

.PHONY: lint
lint: $(CARGO_DENY) ## formatting, clippy, rustdoc and the dependencies' rules, warnings as errors
	$(STEP) 'format' cargo fmt --all --check
	$(STEP) 'clippy' cargo clippy --quiet --locked --workspace --all-targets --all-features -- -D warnings
	$(STEP) 'rustdoc' env RUSTDOCFLAGS='-D warnings' cargo doc --quiet --locked --workspace --no-deps --document-private-items
	$(STEP) 'dependencies' $(CARGO_DENY) --locked check -D warnings bans licenses sources

.PHONY: advisories
advisories: $(CARGO_DENY) ## hold the dependencies against the RustSec database, where it can be reached
	@tools/advisories $(CARGO_DENY)

.PHONY: fmt
fmt: ## format the Rust code
	@cargo fmt --all

.PHONY: checkov
checkov: .tools/checkov/installed ## hold the infrastructure against the rules of checkov
	$(STEP) 'checkov' .tools/checkov/bin/python tools/checkov.py

.tools/checkov/installed: tools/checkov-requirements.txt | prerequisites
	@python3 -m venv .tools/checkov
	$(STEP) 'install checkov' .tools/checkov/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

.PHONY: snapshots
snapshots: ## write the snapshots of the infrastructure anew (needs the Bicep compiler)
	@tools/snapshots

.PHONY: tools
tools: .tools/azurite/installed .tools/browser/installed .tools/alertmanager/installed .tools/valgrind/installed .venv/installed $(CARGO_DENY) ## install what tests need into .tools and .venv

.tools/azurite/installed: tools/package.json tools/package-lock.json tools/.npmrc | prerequisites
	@mkdir -p .tools/azurite
	@cp tools/package.json tools/package-lock.json tools/.npmrc .tools/azurite/
	$(STEP) 'install Azurite' env -C .tools/azurite npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

.tools/browser/installed: tools/browser/package.json tools/browser/package-lock.json tools/browser/.npmrc tools/browser/unpack | prerequisites
	@mkdir -p .tools/browser
	@cp tools/browser/package.json tools/browser/package-lock.json tools/browser/.npmrc .tools/browser/
	$(STEP) 'install Playwright, axe and a headless Chromium' env -C .tools/browser npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@tools/browser/unpack
	@touch $@

.tools/alertmanager/installed: tools/alertmanager | prerequisites
	$(STEP) 'unpack Alertmanager' tools/alertmanager
	@touch $@

.tools/valgrind/installed: tools/valgrind | prerequisites
	$(STEP) 'make sure of valgrind' tools/valgrind
	@touch $@

.venv/installed: tests/python-requirements.txt | prerequisites
	@python3 -m venv .venv
	$(STEP) 'install the Azure SDK and an SMTP server for Python' .venv/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

# The dev profile builds it in a fifth of the time of the release profile (fat LTO), and it runs for seconds only.
$(CARGO_DENY): | prerequisites
	$(STEP) 'install cargo-deny $(CARGO_DENY_VERSION) (two to four minutes)' env CARGO_PROFILE_DEV_DEBUG=0 \
	  cargo install --quiet --locked --debug --version $(CARGO_DENY_VERSION) --root .tools/cargo-deny-$(CARGO_DENY_VERSION) \
	  --target-dir .tools/build cargo-deny
	@rm -rf .tools/build

.PHONY: prerequisites
prerequisites:
	@tools/prerequisites
