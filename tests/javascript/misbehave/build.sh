#!/usr/bin/env bash
# Builds this component with the tools of the example in JavaScript: build.sh OUT.wasm. Exit 75 (with a sentence) where
# they cannot be had.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
source "$here/../../../.ci/tools.sh"

out="$(realpath -m "$1")"
make_node_modules "$TARGET/tools/componentize-js" "$ROOT/examples/hello-javascript"
mkdir -p "$(dirname "$out")"
cd "$here"
"$TARGET/tools/componentize-js/node_modules/.bin/componentize-js" -w "$ROOT/wit" -n pipeline-plugin \
    -o "$out" misbehave.js >&2
