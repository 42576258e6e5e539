"""Slack and Sentry, here one server of the tests, and what they were told."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Told:
    """Bodies of the requests so far."""

    environment: dict[str, str] = field(default_factory=dict)
    bodies: list[str] = field(default_factory=list)


@contextmanager
def receiver() -> Iterator[Told]:
    """A server for both; `environment` leads to it."""
    told = Told()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            told.bodies.append((gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body).decode())
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Write no line a request."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    address = f"127.0.0.1:{server.server_port}"
    told.environment = {
        "RUNTIME__SLACK_INCOMING_HOOK": f"http://{address}/services/T0/B0/hook",
        "RUNTIME__SENTRY_DSN": f"http://public@{address}/42",
    }
    try:
        yield told
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
