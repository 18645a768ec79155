/** Goes where it is sent, by `fetch` of JavaScript and by the SDK: what the story `standard_requests` runs. */

import * as host from "spine:plugin/host@0.1.1";
import { save, secret, send } from "./egress.js";

const MANIFEST = {
  contract: "0.1.1",
  name: "wanderer_js",
  version: "0.1.0",
  description: "Goes where it is sent, in JavaScript.",
  capabilities: [
    { kind: "http", name: "plain", address: "http://*:*", methods: ["GET", "POST"], required: false, reason: "The story." },
    { kind: "folder", name: "out", access: "write", required: false, reason: "The story." },
    { kind: "secret", name: "key", required: false, reason: "The story." },
  ],
  datasets: [
    {
      name: "wanderer_js.rows",
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
      name: "wanderer_js.go",
      description: "Sends a request.",
      params: [
        { name: "url", type: "string", required: true, description: "Where to go." },
        { name: "by", type: "string", required: true, allowed: ["fetch", "race", "send"], description: "How." },
        { name: "body", type: "string", description: "Sent by POST." },
      ],
      outputs: ["wanderer_js.rows"],
    },
  ],
};

const WAYS = {
  async fetch({ url, body }) {
    const answer = await fetch(url, body === undefined ? {} : { method: "POST", body });
    return { status: answer.status, body: await answer.text() };
  },
  /** A timer beside the request, as clients do that give up after a time. */
  async race({ url }) {
    const gaveUp = new Promise((resolve) => setTimeout(() => resolve({ gaveUp: true }), 10_000));
    return Promise.race([fetch(url).then(async (answer) => ({ body: await answer.text() })), gaveUp]);
  },
  async send({ url, body }) {
    const headers = { authorization: `Bearer ${secret("key")}` };
    const answer = send(url, body === undefined ? { headers } : { method: "POST", headers, body });
    save("out", "answer.txt", answer.text());
    return { status: answer.status, body: answer.text() };
  },
};

export const plugin = { describe: () => JSON.stringify(MANIFEST) };

export const pipeline = {
  async run() {
    const params = JSON.parse(host.params());
    try {
      return JSON.stringify(await WAYS[params.by](params));
    } catch (error) {
      // The host logs why; a guest of `fetch` learns no more than that it was refused.
      return JSON.stringify({ error: error.payload?.code ?? String(error) });
    }
  },
};
