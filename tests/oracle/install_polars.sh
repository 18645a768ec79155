#!/usr/bin/env bash
# Installs Polars (Python package, pinned) in target/polars-venv, for the bench `daily_files`. Where that is impossible
# the bench says that its baseline is missing; this is no failure.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../.ci/tools.sh"

code=0
(make_venv "$TARGET/polars-venv" "$ROOT/tests/oracle/polars-requirements.txt") || code=$?
[ "$code" != "$CANNOT_HAVE" ] || exit 0
exit "$code"
