/**
 * What leaves the sandbox, for plugins written in JavaScript: requests, secrets and files, each granted by an operator.
 *
 * `fetch` of JavaScript works as well and is sent under the same grants; this says why a request was refused, follows
 * redirects in the host, and needs no promise.
 */

import * as host from "spine:plugin/host@0.1.1";
import * as http from "spine:plugin/http@0.1.1";

/**
 * Sends a request and waits for the answer, whatever its status. `headers` is an object, `body` text or bytes.
 * Throws the error of the contract (`error.payload.code`: "not_granted", "timeout", ...) where there is no answer.
 */
export function send(url, { method = "GET", headers = {}, body, timeoutMs } = {}) {
  const details = timeoutMs === undefined ? [] : [["timeout_ms", String(timeoutMs)]];
  const response = http.fetch({ method, url, headers: Object.entries(headers), body: bytes(body), details });
  const text = () => new TextDecoder().decode(response.body);
  return {
    status: response.status,
    /** Names in lower case; of several headers of one name the last. */
    headers: new Map(response.headers.map(([name, value]) => [name.toLowerCase(), value])),
    /** The address that answered in the end. */
    url: new Map(response.details).get("url"),
    bytes: response.body,
    text,
    json: () => JSON.parse(text()),
  };
}

/** A granted secret: a placeholder that the host replaces in what is sent, unless the grant says `reveal`. */
export function secret(name) {
  return host.secret(name);
}

/** Saves text or bytes as a file of a folder that is granted for writing. It is there once the run is published. */
export function save(folder, name, content) {
  host.save(folder, name, bytes(content));
}

function bytes(content) {
  return typeof content === "string" ? new TextEncoder().encode(content) : content;
}
