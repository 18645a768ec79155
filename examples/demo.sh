#!/usr/bin/env bash
# Shows the whole thing working on invented files, in a data folder of its own that each run makes afresh.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../.ci/tools.sh"

demo="$TARGET/demo"
rm -rf "$demo"
mkdir -p "$demo"
export SPINE_PLUGINS="$ROOT/plugins" SPINE_DATA="$demo/data" SPINE_LOG=warn
export PATH="$TARGET/debug:$PATH"
cd "$demo"

show() {
    printf '\n$'
    local word
    for word in "$@"; do
        case "$word" in *' '*) printf ' "%s"' "$word" ;; *) printf ' %s' "$word" ;; esac
    done
    echo
    "$@"
}

sample-files files >/dev/null
echo "sample files, in the publishers' formats:"
(cd files && find . -type f | sort | sed 's/^..//; s/^/    /')

for file in files/*shvol*.txt; do
    show spine-host run finra.regsho_daily -p "file=$file"
done
for file in files/*otc_weekly*; do
    show spine-host run finra.otc_weekly -p "file=$file"
done
for file in files/Russell3000* files/zacks*; do
    show spine-host run earnings.surprises -p "file=$file"
done

echo
echo "the publisher corrects a day: a new revision, and the old one stays"
for file in files/corrected/CNMSshvol*.txt; do
    show spine-host run finra.regsho_daily -p "file=$file"
done

show spine-host captures finra.regsho_daily
show spine-host captures finra.otc_symbol_summary
show spine-host query "SELECT trade_date, count(*) AS symbols, sum(total_volume) AS volume
    FROM finra.regsho_daily GROUP BY trade_date ORDER BY trade_date"
show spine-host query "SELECT symbol, short_volume, total_volume, short_ratio
    FROM finra.regsho_daily WHERE trade_date = DATE '2021-01-28' ORDER BY total_volume DESC LIMIT 5"
printf '\nThe files and the data folder are in %s\n' "$demo"
