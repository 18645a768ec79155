/** What the plugin computes, as plain JavaScript: `npm test` tests it without any host. */

/** 100 x (close - open) / open; null where the open is 0. Prices are unscaled `BigInt`s: a ratio does not care. */
export function changePct(open, close) {
  return open === 0n ? null : (100 * Number(close - open)) / Number(open);
}

/** The positions of the rows that are kept, and those that are not. */
export function enoughVolume(volumes, least) {
  const kept = [];
  const low = [];
  volumes.forEach((volume, row) => (volume !== null && volume < least ? low : kept).push(row));
  return { kept, low };
}
