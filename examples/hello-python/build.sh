#!/usr/bin/env bash
# Builds this example: build.sh OUT.wasm. Exit 75 (with a sentence) where the tools cannot be had.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
source "$here/../../.ci/tools.sh"

out="$(realpath -m "$1")"
make_venv "$TARGET/tools/componentize-py" "$here/requirements.txt"

# From a copy, since Python writes its compiled modules beside the sources.
work="$TARGET/components/making/hello_python"
rm -rf "$work"
mkdir -p "$work" "$(dirname "$out")"
cp "$here"/*.py "$ROOT"/sdk/python/*.py "$work/"
"$TARGET/tools/componentize-py/bin/componentize-py" --quiet -d "$ROOT/wit" -w domain \
    componentize -p "$work" -o "$out" hello
