#!/usr/bin/env bash
# Builds this guest: build.sh OUT.wasm. Exit 75 (with a sentence) where the tools cannot be had.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
source "$here/../../../.ci/tools.sh"
componentize_js "$here" misbehave "$1"
