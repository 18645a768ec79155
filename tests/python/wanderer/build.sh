#!/usr/bin/env bash
# Builds this component with the tools of the example in Python: build.sh OUT.wasm. Exit 75 (with a sentence) where they
# cannot be had.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
source "$here/../../../.ci/tools.sh"

out="$(realpath -m "$1")"
make_venv "$TARGET/tools/componentize-py" "$ROOT/examples/hello-python/requirements.txt"
work="$TARGET/components/making/wanderer_python"
rm -rf "$work"
mkdir -p "$work" "$(dirname "$out")"
cp "$here"/*.py "$ROOT"/sdk/python/*.py "$work/"
"$TARGET/tools/componentize-py/bin/componentize-py" --quiet -d "$ROOT/wit" -w pipeline-plugin \
    componentize -p "$work" -o "$out" wanderer
