#!/usr/bin/env bash
# Installs DuckDB (Python packages, pinned) in target/oracle-venv. Where that is impossible, target/oracle.skipped holds
# the sentence that says why, and the stories that need it are skipped with that; this is no failure.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../.ci/tools.sh"

export SKIPPED_FILE="$TARGET/oracle.skipped"
rm -f "$SKIPPED_FILE"
code=0
(make_venv "$TARGET/oracle-venv" "$ROOT/tests/oracle/requirements.txt") || code=$?
[ "$code" != "$CANNOT_HAVE" ] || exit 0
exit "$code"
