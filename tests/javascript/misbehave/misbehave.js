/** Misbehaves inside an interpreter, whose memory and handles are its own to collect: what the story `hostile` runs. */

import * as host from "spine:plugin/host@0.1.1";

const DEEDS = {
  loop() {
    for (let number = 0; ; number++) if (number < 0) return;
  },
  memory() {
    const kept = [];
    for (;;) kept.push(new Uint8Array(1 << 20).fill(1));
  },
  handles() {
    const open = [];
    for (;;) open.push(host.input("captures:misbehave_js.rows", "{}"));
  },
  nothing() {},
};

const MANIFEST = {
  contract: "0.1.1",
  name: "misbehave_js",
  version: "0.1.0",
  description: "Does what a plugin must not do, in JavaScript.",
  datasets: [
    {
      name: "misbehave_js.rows",
      description: "Never written.",
      columns: [
        { name: "key", type: "utf8" },
        { name: "day", type: "date32" },
      ],
      key: ["key"],
      partition_by: ["day"],
    },
  ],
  pipelines: [
    {
      name: "misbehave_js.do",
      description: "Misbehaves in the way that it is asked for.",
      params: [{ name: "how", type: "string", required: true, allowed: Object.keys(DEEDS), description: "What to do." }],
      outputs: ["misbehave_js.rows"],
    },
  ],
};

export const plugin = { describe: () => JSON.stringify(MANIFEST) };

export const pipeline = {
  run() {
    const { how } = JSON.parse(host.params());
    DEEDS[how]();
    return "{}";
  },
};
