# What a person types. Everything installs by itself what it lacks.
CARGO ?= cargo
SERVERS := -p sip-server -p rtp-server -p control-server
# Debian package by the program that it brings.
TOOLS := sipp:sip-tester baresip:baresip-core sox:sox curl:curl

.PHONY: run build test check bench audit tools

## Start the demo: three servers, domain demo, users 1000 to 1003.
run:
	$(CARGO) build --release --locked --bins $(SERVERS)
	target/release/control-server up

build:
	$(CARGO) build --workspace --locked

## The gate: style first, then everything that can be tested.
test: check tools build
	$(CARGO) test --workspace --doc --locked
	@if command -v cargo-nextest >/dev/null; then \
		set -x; $(CARGO) nextest run --workspace --locked --no-fail-fast; \
	else \
		set -x; $(CARGO) test --workspace --lib --bins --tests --locked --no-fail-fast -- --test-threads=1; \
	fi

## Format, lints, documentation.
check:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked

## Figures of this machine, in a table.
bench:
	$(CARGO) build --release --locked --bins $(SERVERS) -p sipp
	target/release/bench

## Advisories, licences, unused dependencies. Not in the gate: it builds its tools and asks the network.
audit:
	command -v cargo-deny >/dev/null || $(CARGO) install --locked cargo-deny
	command -v cargo-machete >/dev/null || $(CARGO) install --locked cargo-machete
	$(CARGO) deny check advisories bans sources
	$(CARGO) machete

## The programs that end-to-end tests call.
tools:
	@missing=""; \
	for tool in $(TOOLS); do \
		command -v $${tool%%:*} >/dev/null || missing="$$missing $${tool##*:}"; \
	done; \
	if [ -n "$$missing" ]; then \
		set -x; apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends $$missing; \
	fi
