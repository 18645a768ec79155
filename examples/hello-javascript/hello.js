/** The smallest pipeline: volumes of a file, and each symbol's share of the total. */

import * as host from "spine:plugin/host@0.1.1";
import { MANIFEST, NAME, SHARES, TOTALS } from "./manifest.js";
import { Column, batches, columns, error, write } from "./spine.js";

const INT64_MAX = 2n ** 63n - 1n;

export const plugin = {
  describe: () => JSON.stringify(MANIFEST),
};

export const pipeline = {
  run(name) {
    if (name !== SHARES) throw error("config", "unknown_name", `plugin \`${NAME}\` has no pipeline \`${name}\``);
    const { tables, file, total } = read();
    const out = host.output(TOTALS);
    const rows = tables.reduce((written, table) => written + deliver(out, table, total), 0);
    host.stage("shares", BigInt(rows), []);
    host.log("info", "shares done", [["rows", String(rows)]]);
    // `total` is a 64-bit integer, which JSON.stringify would refuse or round.
    return `{"file": ${JSON.stringify(file)}, "rows": ${rows}, "total": ${total}}`;
  },
};

/** Reads the file whole: the share of a row needs the total of all. */
function read() {
  const reader = host.input("file", "{}");
  const tables = [];
  let total = 0n;
  for (const batch of batches(reader)) {
    const table = columns(batch, "_line", "day", "symbol", "volume");
    tables.push(table);
    for (const volume of table.volume.view) if (volume >= 0n) total += volume;
  }
  const file = new Map(reader.info()).get("file_name");
  if (total > INT64_MAX) {
    throw error("validation", "overflow", `the volumes of \`${file}\` add up to more than 64 bits hold`);
  }
  return { tables, file, total };
}

/** Writes the rows of one batch, rejects those of a negative volume, and returns how many were written. */
function deliver(out, table, total) {
  const rows = [];
  const rejected = [];
  table.volume.view.forEach((volume, row) => {
    if (volume >= 0n) return rows.push(row);
    const message = `volume ${volume} of \`${table.symbol.get(row)}\` is negative`;
    rejected.push({ line: table._line.get(row), code: "negative_volume", message, details: [] });
  });
  if (rejected.length > 0) host.reject(rejected);
  if (rows.length === 0) return 0;
  const { _line, day, symbol, volume } = rejected.length === 0 ? table : taken(table, rows);
  const share = Column.of(
    "float64",
    Array.from(volume.view, (value) => (total > 0n ? Number(value) / Number(total) : null)),
  );
  write(out, { day, symbol, volume, share, _line });
  return rows.length;
}

function taken(table, rows) {
  return Object.fromEntries(Object.entries(table).map(([name, column]) => [name, column.take(rows)]));
}
