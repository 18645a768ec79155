#!/usr/bin/env bash
# Builds the components that cargo does not build, each once: the result is kept by the digest of everything that went
# into it (contract, sources, pinned versions). `target/components/NAME.wasm` is the current one; where its tools cannot
# be had, `NAME.skipped` holds the sentence that says why, and the tests skip it with that.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../.ci/tools.sh"
cd "$ROOT"

build() {
    local name="$1" folder="$2"
    shift 2
    local components="$TARGET/components" code=0 key
    key="$(digest_of wit/*.wit "$folder/build.sh" "$@")"
    local kept="$components/$name-$key.wasm"
    mkdir -p "$components"
    if [ ! -f "$kept" ]; then
        echo "building $name (once; kept as $name-$key.wasm)" >&2
        rm -f "$components/$name.wasm" "$components/$name.skipped"
        SKIPPED_FILE="$components/$name.skipped" "$folder/build.sh" "$components/$name.building" || code=$?
        [ "$code" != "$CANNOT_HAVE" ] || return 0
        [ "$code" = 0 ] || { echo "$name does not build" >&2; exit "$code"; }
        mv "$components/$name.building" "$kept"
    fi
    rm -f "$components/$name.skipped"
    ln -f "$kept" "$components/$name.wasm"
}

build hello_python examples/hello-python examples/hello-python/*.py examples/hello-python/requirements.txt sdk/python/*.py
build hello_javascript examples/hello-javascript examples/hello-javascript/*.js \
    examples/hello-javascript/package-lock.json sdk/javascript/*.js
# Not examples: guests of the tests that want the same tools.
build misbehave_javascript tests/javascript/misbehave tests/javascript/misbehave/*.js \
    examples/hello-javascript/package-lock.json
build wanderer_javascript tests/javascript/wanderer tests/javascript/wanderer/*.js \
    examples/hello-javascript/package-lock.json sdk/javascript/*.js
build wanderer_python tests/python/wanderer tests/python/wanderer/*.py examples/hello-python/requirements.txt \
    sdk/python/*.py
