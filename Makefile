# The everyday commands. `make` alone lists them.

.SHELLFLAGS := -eu -c
.DEFAULT_GOAL := help

CARGO ?= cargo
# Passed on to the proxy: make run ARGS='--origin http://127.0.0.1:3000 --grace 30s'
ARGS ?=
# Put before the package manager if one is needed: empty for root, else sudo.
SUDO ?= $(shell [ "$$(id -u)" = 0 ] || command -v sudo)

.PHONY: help run test versions redis-server curl check fmt bench bench-locks doc loom fuzz storm soak mutants conformance transparency ci

help: ## Lists these commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

run: ## Starts the proxy: a demo without ARGS, or ARGS='--origin http://127.0.0.1:3000'
	@$(CARGO) run --release --example reverse_proxy -- $(ARGS)

# Those that mostly wait for servers to die and leases to end: several at a time.
WAITING := edge_cases lock report shared
# The others, which measure or use the whole machine.
OTHERS := $(filter-out $(WAITING),$(patsubst tests/%/main.rs,%,$(wildcard tests/*/main.rs)) \
	$(patsubst tests/%.rs,%,$(wildcard tests/*.rs)))

# Without the feature, what differs by it: simulated fleets and processes are the same code.
test: redis-server curl ## Runs all tests, with and without the redis feature
	$(CARGO) test --no-default-features --lib --test middleware --test rfc -- --skip engine::sim
	$(CARGO) test --all-features --lib --example reverse_proxy $(addprefix --test ,$(OTHERS))
	RUST_TEST_THREADS=3 $(CARGO) test --all-features $(addprefix --test ,$(WAITING))
	$(CARGO) test --all-features --doc

# Some 60 MB of packages, once, and two minutes for each; tests/versions NAME for one of them.
versions: curl ## Runs the tests that need a Redis with 6.0, 7.0, 8.0 and Valkey 8.1
	@./tests/versions

# The tests start Redis servers of their own, on free ports; one that runs already is left alone.
redis-server: ## Installs redis-server if it is missing
	@if command -v redis-server >/dev/null; then exit 0; fi; \
	echo 'redis-server is missing, installing it (the tests start their own)'; \
	if command -v apt-get >/dev/null; then \
		$(SUDO) apt-get update -qq && DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -y -qq --no-install-recommends redis-server; \
	elif command -v dnf >/dev/null; then $(SUDO) dnf install -y -q redis || $(SUDO) dnf install -y -q valkey-compat-redis; \
	elif command -v apk >/dev/null; then $(SUDO) apk add --quiet redis; \
	elif command -v brew >/dev/null; then brew install --quiet redis; \
	fi || true; \
	if ! command -v redis-server >/dev/null; then \
		echo 'error: please install Redis 6 or later, so that redis-server is on the PATH (https://redis.io/docs/latest/operate/oss_and_stack/install/), then run this again' >&2; \
		exit 1; \
	fi

# A client of some tests.
curl: ## Installs curl if it is missing
	@if command -v curl >/dev/null; then exit 0; fi; \
	echo 'curl is missing, installing it (some tests are clients with it)'; \
	if command -v apt-get >/dev/null; then \
		$(SUDO) apt-get update -qq && DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -y -qq --no-install-recommends curl; \
	elif command -v dnf >/dev/null; then $(SUDO) dnf install -y -q curl; \
	elif command -v apk >/dev/null; then $(SUDO) apk add --quiet curl; \
	elif command -v brew >/dev/null; then brew install --quiet curl; \
	fi || true; \
	if ! command -v curl >/dev/null; then \
		echo 'error: please install curl with HTTP/2 (https://curl.se/download.html), then run this again' >&2; \
		exit 1; \
	fi

check: ## What a change has to pass before the tests: format, lints, documents
	$(CARGO) fmt --check
	$(CARGO) fmt --check --manifest-path fuzz/Cargo.toml
	$(CARGO) clippy --all-targets --all-features -- -D warnings
	$(CARGO) clippy --all-targets --no-default-features -- -D warnings
	RUSTDOCFLAGS='-D warnings -D rustdoc::broken_intra_doc_links' $(CARGO) doc --no-deps --all-features

fmt: ## Formats the code
	$(CARGO) fmt
	$(CARGO) fmt --manifest-path fuzz/Cargo.toml

bench: ## Measures
	$(CARGO) bench --all-features

bench-locks: redis-server ## Measures the locks beside rslock; ARGS=--quick for a look
	$(CARGO) run --release --manifest-path benches/locks/Cargo.toml --target-dir target/bench-locks -- $(ARGS)

doc: ## Builds the documents and opens them
	$(CARGO) doc --no-deps --all-features --open

# A package of its own, of the parts that it checks: with all that the other tests need, the flag would
# have everything built once more.
loom: ## Checks the concurrency of one process under all interleavings
	RUSTFLAGS='--cfg bellwether_loom' $(CARGO) test --manifest-path loom/Cargo.toml --target-dir target/loom --lib loom

# For each target; FUZZ_SEED, FUZZ_JOBS and single targets: see fuzz/run.
FUZZ_TIME ?= 10
fuzz: ## Feeds each parser FUZZ_TIME seconds (10) of hostile input. Needs a C++ compiler
	@FUZZ_TIME='$(FUZZ_TIME)' ./fuzz/run

storm: redis-server ## The fleet under load and faults alone, with a table of what was measured
	$(CARGO) test --all-features --test fleet -- --nocapture

# A violation ends it; the seed that is printed replays the schedule.
CHAOS_TIME ?= 600
soak: redis-server ## CHAOS_TIME seconds (600) of faults under load, and a checker of what happened
	CHAOS_TIME='$(CHAOS_TIME)' $(CARGO) test --all-features --test chaos under_faults -- --nocapture

# A minute to three for each; CHAOS_MUTANT=NAME,NAME for some of them, CHAOS_EVERY_SEED=1 to have each
# caught with all three seeds.
mutants: redis-server ## Takes each safety out of a copy, and sees that the checker misses it
	$(CARGO) test --all-features --test chaos mutant -- --ignored --nocapture

# BELLWETHER_CONFORMANCE=update also prints the list of known failures as it would have to be.
conformance: ## The public test suite for HTTP caches (cache-tests.fyi) against the proxy
	@for tool in node npm tar; do \
		command -v $$tool >/dev/null && continue; \
		echo "error: $$tool is missing. The suite needs Node.js 18 or later with npm:" >&2; \
		echo '  Debian, Ubuntu   apt-get install nodejs npm' >&2; \
		echo '  Fedora           dnf install nodejs npm' >&2; \
		echo '  Alpine           apk add nodejs npm' >&2; \
		echo '  macOS            brew install node' >&2; \
		echo '  others           https://nodejs.org/en/download' >&2; \
		exit 1; \
	done
	$(CARGO) test --all-features --test conformance -- --ignored --nocapture

# The test starts an nginx of its own, on a free port; a service is not needed.
transparency: redis-server ## Thousands of real files through the proxy, byte for byte as nginx sends them
	@PATH="$$PATH:/usr/sbin:/usr/local/sbin"; if ! command -v nginx >/dev/null; then \
		echo 'error: nginx is missing: apt-get install nginx-light (dnf, apk, brew install nginx)' >&2; \
		exit 1; \
	fi
	$(CARGO) test --all-features --test transparency -- --ignored --nocapture

ci: ## All that the continuous integration runs
	./.ci/run
