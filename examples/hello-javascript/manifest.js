/** What the plugin offers, as `describe` returns it. Its JSON Schema is `wit/manifest.schema.json`. */

export const NAME = "hello_javascript";
export const TOTALS = `${NAME}.totals`;
export const SHARES = `${NAME}.shares`;
const FORMAT = "hello_psv";

export const MANIFEST = {
  contract: "0.1.1",
  name: NAME,
  version: "0.1.0",
  description: "The smallest plugin in JavaScript: volumes and their shares of a file's total.",
  formats: [
    {
      name: FORMAT,
      kind: "delimited",
      delimiter: "|",
      columns: [
        { header: "Date", name: "day", type: "date32", key: true, date_format: "%Y-%m-%d" },
        { header: "Symbol", name: "symbol", type: "utf8", key: true },
        { header: "Volume", name: "volume", type: "int64" },
      ],
    },
  ],
  datasets: [
    {
      name: TOTALS,
      description: "Volume of each symbol and its share of the file's total.",
      columns: [
        { name: "day", type: "date32", description: "The day of the file." },
        { name: "symbol", type: "utf8", description: "Case-sensitive symbol." },
        { name: "volume", type: "int64", unit: "shares" },
        { name: "share", type: "float64", unit: "fraction", nullable: true },
      ],
      key: ["symbol", "day"],
      partition_by: ["day"],
    },
  ],
  pipelines: [
    {
      name: SHARES,
      description: "Reads one file of volumes.",
      params: [{ name: "file", type: "file", required: true, description: "The file to read." }],
      inputs: [{ name: "file", formats: [FORMAT] }],
      outputs: [TOTALS],
      accounting: "one-to-one",
    },
  ],
};
