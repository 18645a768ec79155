"""What leaves the sandbox, for plugins written in Python: requests, secrets and files, each granted by an operator."""

import json
from dataclasses import dataclass

from wit_world.imports import host, http


@dataclass(frozen=True)
class Response:
    """An answer, whatever its status."""

    status: int
    # Names in lower case; of several headers of one name the last.
    headers: dict
    body: bytes
    # The address that answered in the end.
    url: str

    def text(self):
        return self.body.decode()

    def json(self):
        return json.loads(self.body)


def send(url, method="GET", headers=None, body=None, timeout_ms=None):
    """Sends a request and waits for the answer. `headers` is a dict, `body` text or bytes.

    Raises the error of the contract (`error.value.code`: "not_granted", "timeout", ...) where there is no answer.
    """
    details = [] if timeout_ms is None else [("timeout_ms", str(timeout_ms))]
    request = http.Request(method, url, list((headers or {}).items()), to_bytes(body), details)
    response = http.fetch(request)
    received = {name.lower(): value for name, value in response.headers}
    return Response(response.status, received, response.body, dict(response.details)["url"])


def secret(name):
    """A granted secret: a placeholder that the host replaces in what is sent, unless the grant says `reveal`."""
    return host.secret(name)


def save(folder, name, content):
    """Saves text or bytes as a file of a folder that is granted for writing. It is there once the run is published."""
    host.save(folder, name, to_bytes(content))


def to_bytes(content):
    return content.encode() if isinstance(content, str) else content
