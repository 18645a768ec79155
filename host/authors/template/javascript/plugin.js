/** Prices of a day: reads the publisher's file, and adds how far each price moved. */

import * as host from "spine:plugin/host@@CONTRACT@";
import { CLOSES_ARE_POSITIVE, LOAD, MANIFEST, NAME, PRICES } from "./manifest.js";
import { changePct, enoughVolume } from "./rows.js";
import { Column, batches, columns, error, write } from "./spine/sdk/javascript/spine.js";

function known(what, name, offered) {
  if (name !== offered) throw error("config", "unknown_name", `plugin \`${NAME}\` has no ${what} \`${name}\``);
}

export const plugin = {
  describe: () => JSON.stringify(MANIFEST),
};

export const pipeline = {
  run(name) {
    known("pipeline", name, LOAD);
    const least = BigInt(JSON.parse(host.params()).min_volume);
    const out = host.output(PRICES);
    // Batch by batch, so that a file of any size needs little memory.
    for (const batch of batches(host.input("file", "{}"))) load(batch, least, out);
    return "{}";
  },
};

function load(batch, least, out) {
  const table = columns(batch, "_line", "day", "symbol", "open", "close", "volume");
  const { kept, low } = enoughVolume([...table.volume], least);
  if (low.length > 0) {
    const rejected = (row) => ({
      line: table._line.get(row),
      code: "low_volume",
      message: `volume ${table.volume.get(row)} is below ${least}`,
      details: [],
    });
    host.reject(low.map(rejected));
  }
  // Copied only where rows are left out.
  const take = (column) => (low.length > 0 ? column.take(kept) : column);
  const rows = Object.fromEntries(Object.entries(table).map(([name, column]) => [name, take(column)]));
  const closes = [...rows.close];
  const changes = [...rows.open].map((open, row) => changePct(open, closes[row]));
  // With the lines (`_line`), a check can name the one that it does not like.
  write(out, { ...rows, change_pct: Column.of("float64", changes) });
}

export const quality = {
  check(check, dataset) {
    known("check", check, CLOSES_ARE_POSITIVE);
    let bad = 0;
    for (const batch of batches(host.input(`staged:${dataset}`, "{}"))) {
      for (const close of columns(batch, "close").close) if (close <= 0n) bad += 1;
    }
    if (bad === 0) return [];
    const details = [["actual", String(bad)], ["expected", "0"]];
    const message = `${bad} closes are 0 or less`;
    return [{ status: "FAIL", category: "BUSINESS_RULE", message, details, sampleRows: [] }];
  },
};
