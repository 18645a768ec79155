"""Goes where it is sent, by the SDK: what the story `standard_requests` runs."""

import json

from componentize_py_types import Err
from egress import save, secret, send
from wit_world.imports import host

MANIFEST = {
    "contract": "0.1.1",
    "name": "wanderer_py",
    "version": "0.1.0",
    "description": "Goes where it is sent, in Python.",
    "capabilities": [
        {"kind": "http", "name": "plain", "address": "http://*:*", "methods": ["GET", "POST"], "required": False, "reason": "The story."},
        {"kind": "folder", "name": "out", "access": "write", "required": False, "reason": "The story."},
        {"kind": "secret", "name": "key", "required": False, "reason": "The story."},
    ],
    "datasets": [
        {
            "name": "wanderer_py.rows",
            "description": "Never written.",
            "columns": [{"name": "key", "type": "utf8"}, {"name": "day", "type": "date32"}],
            "key": ["key"],
            "partition_by": ["day"],
        }
    ],
    "pipelines": [
        {
            "name": "wanderer_py.go",
            "description": "Sends a request.",
            "params": [{"name": "url", "type": "string", "required": True, "description": "Where to go."}],
            "outputs": ["wanderer_py.rows"],
        }
    ],
}


class Plugin:
    def describe(self):
        return json.dumps(MANIFEST)


class Pipeline:
    def run(self, pipeline):
        params = json.loads(host.params())
        try:
            answer = send(params["url"], "POST", {"authorization": f"Bearer {secret('key')}"}, "hello")
        except Err as error:
            return json.dumps({"error": error.value.code})
        save("out", "answer.txt", answer.text())
        return json.dumps({"status": answer.status, "body": answer.text()})
