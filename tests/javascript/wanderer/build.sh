#!/usr/bin/env bash
# Builds this component with the tools of the example in JavaScript: build.sh OUT.wasm. Exit 75 (with a sentence) where
# they cannot be had.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
source "$here/../../../.ci/tools.sh"

out="$(realpath -m "$1")"
make_node_modules "$TARGET/tools/componentize-js" "$ROOT/examples/hello-javascript"
work="$TARGET/components/making/wanderer_javascript"
rm -rf "$work"
mkdir -p "$work" "$(dirname "$out")"
cp "$here"/*.js "$ROOT"/sdk/javascript/*.js "$work/"
cd "$work"
"$TARGET/tools/componentize-js/node_modules/.bin/componentize-js" -w "$ROOT/wit" -n pipeline-plugin \
    -o "$out" wanderer.js >&2
