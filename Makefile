# Everything one does with this project; `make help` lists it. Needs Rust (rustup), make and bash; the scripts in .ci
# fetch the rest where they can. CARGO_TARGET_DIR says where everything that is built goes.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# Steps share one target folder and two cores: cargo runs things in parallel by itself.
.NOTPARALLEL:
.PHONY: help build examples oracle demo test soak bench lint clean-demo

override CARGO_TARGET_DIR := $(abspath $(or $(CARGO_TARGET_DIR),target))
export CARGO_TARGET_DIR
export PYTHONDONTWRITEBYTECODE := 1

help: ## lists the targets
	@grep -hE '^[a-z-]+:.* ## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.* ## /\1\t/' | expand -t 14

# Always the whole workspace: with -p, cargo would choose other features and build wasmtime and datafusion again.
build: ## builds host and plugins; the last line is the path of spine-host
	@.ci/prepare
	cargo build --workspace
	cargo build-plugins
	@.ci/install-plugins finra earnings
	@echo "$(CARGO_TARGET_DIR)/debug/spine-host"

examples: ## builds the examples in Python and JavaScript, each once
	@examples/build.sh

oracle: ## installs DuckDB for the tests that hold it against our host
	@tests/oracle/install.sh

demo: build ## shows it working: sample files, both pipelines, captures, a query
	@examples/demo.sh

test: build examples oracle ## runs every test and ends with the counts
	@.ci/test

soak: build examples oracle ## runs the stories and kills in their long forms: more kills, more load
	@SPINE_SOAK=1 .ci/test stories matrix swarm storage

bench: build ## prints what the boundary, the sandbox, a durable run and a whole day cost
	cargo bench --workspace --profile dev --bench '*'

lint: ## what must be clean
	@.ci/prepare
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --quiet -- -D warnings

clean-demo: ## removes what the demo made
	rm -rf "$(CARGO_TARGET_DIR)/demo"
