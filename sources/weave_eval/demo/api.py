"""A local API that answers like Weave's, from the recording."""

from __future__ import annotations

import base64
import hmac
import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from .query import Record
from .recording import Recording, UnrecordedError

if TYPE_CHECKING:
    from typing_extensions import Self

_V2 = re.compile(r"/v2/([^/]+)/([^/]+)/(.+)")
_KEY = "demo-key"

Answer = Record | list[Record]
"""An object, sent as JSON, or several, sent as JSON lines."""


class DemoApi:
    """Weave's API for one recorded project, on a free port of this machine while the context is open."""

    key = _KEY

    def __init__(self) -> None:
        self._recording = Recording.load()
        self.project = self._recording.project
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self._recording))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """Base URL of the API."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(recorded: Recording) -> type[BaseHTTPRequestHandler]:
    class Handler(_Handler):
        recording = recorded

    return Handler


class _Handler(BaseHTTPRequestHandler):
    recording: Recording
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._serve(b"")

    def do_POST(self) -> None:
        self._serve(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    def log_message(self, *_: Any) -> None:
        """Nothing is logged."""

    def _serve(self, content: bytes) -> None:
        if not self._is_authorized():
            return self._send(401, {"detail": "Invalid authentication credentials"})
        url = urlsplit(self.path)
        try:
            body = msgspec.json.decode(content, type=dict[str, Any]) if content else dict(parse_qsl(url.query))
            return self._send(200, self._answer(url.path, body))
        except UnrecordedError as error:
            return self._send(404, {"reason": str(error)})
        except (msgspec.DecodeError, KeyError, ValueError, TypeError) as error:
            return self._send(400, {"reason": f"{type(error).__name__}: {error}"})

    def _is_authorized(self) -> bool:
        expected = b"Basic " + base64.b64encode(f"api:{_KEY}".encode())
        return hmac.compare_digest(self.headers.get("Authorization", "").encode(), expected)

    def _answer(self, path: str, body: Record) -> Answer:
        v2 = _V2.fullmatch(path)
        project = f"{unquote(v2[1])}/{unquote(v2[2])}" if v2 else body.get("project_id")
        if project != self.recording.project:
            raise UnrecordedError(f"Project {project} not found")
        return self._answer_v2(unquote(v2[3]), body) if v2 else self._answer_v1(path, body)

    def _answer_v1(self, path: str, body: Record) -> Answer:
        answers: dict[str, Callable[[Record], Answer]] = {
            "/calls/stream_query": self.recording.calls,
            "/calls/query_stats": self.recording.call_stats,
            "/objs/query": self.recording.objects,
            "/feedback/query": self.recording.feedback,
        }
        if self.command != "POST" or path not in answers:
            raise UnrecordedError(f"{self.command} {path} is not part of the demo")
        return answers[path](body)

    def _answer_v2(self, route: str, body: Record) -> Answer:
        if (self.command, route) == ("POST", "eval_results/query"):
            return self.recording.results(body)
        kind, _, member = route.partition("/")
        if self.command == "GET" and kind == "evaluation_runs" and member:
            return self.recording.run(member)
        if self.command == "GET" and kind in ("evaluation_runs", "predictions") and not member:
            return self.recording.listed(kind, body)
        raise UnrecordedError(f"{self.command} {route} is not part of the demo")

    def _send(self, status: int, answer: Answer) -> None:
        is_lines = isinstance(answer, list)
        encode = msgspec.json.encode
        body = b"".join(encode(line) + b"\n" for line in answer) if is_lines else encode(answer)
        self.send_response(status)
        self.send_header("Content-Type", "application/jsonl" if is_lines else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
