/** Tests of the plain part; `spine-host plugin test` runs the component. */

import assert from "node:assert/strict";
import test from "node:test";
import { MANIFEST } from "./manifest.js";
import { changePct, enoughVolume } from "./rows.js";

test("a change is a percentage of the open", () => {
  assert.equal(changePct(10_000_000n, 12_500_000n), 25);
  assert.equal(changePct(0n, 1n), null);
});

test("rows with too little volume are told apart", () => {
  assert.deepEqual(enoughVolume([5n, null, -1n], 0n), { kept: [0, 1], low: [2] });
});

test("every output is a dataset", () => {
  const datasets = MANIFEST.datasets.map((dataset) => dataset.name);
  for (const pipeline of MANIFEST.pipelines) {
    for (const output of pipeline.outputs) assert.ok(datasets.includes(output), output);
  }
});
