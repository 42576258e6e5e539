"""A proxy before a W&B server that spoils the answers to chosen requests, and remembers what it did."""

from __future__ import annotations

import base64
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

import pytest
import requests
from requests.adapters import HTTPAdapter

from tests.faults.canaries import KEY as CANARY
from tests.faults.spoiling import Fault
from tests.weave_server.process import KEY, WeaveServer

GIVEN, TRUE = (f"Basic {base64.b64encode(f'api:{key}'.encode()).decode()}" for key in (CANARY, KEY))
"""What a client with the key that is searched for sends, and what the server wants."""


@dataclass(frozen=True)
class Answer:
    """What the server answers to a request."""

    status: int
    body: bytes
    content_type: str


Answering = Callable[[BaseHTTPRequestHandler, Answer], None]
Proxy = TypeVar("Proxy", bound="FaultyProxy")


def kind_of(method: str, path: str, body: Mapping[str, Any]) -> str:
    """What a request is for, in a word."""
    route = path.partition("?")[0].rsplit("/", 1)[-1]
    chosen = body.get("filter") or {}
    if route == "query_stats":
        return "count"
    if route == "stream_query":
        return _kind_of_calls(chosen, body.get("columns") or [])
    if "eval_results" in path:
        return "summary" if body.get("include_summary") else "page"
    if path.startswith("/objs/query"):
        return "object listing" if "base_object_classes" in chosen else "named objects"
    if method == "GET":
        return {"evaluation_runs": "v2 listing", "predictions": "predictions"}.get(route, "single run")
    return {"/obj/read": "object", "/feedback/query": "feedback", "/refs/read_batch": "refs"}[path]


def _kind_of_calls(chosen: Mapping[str, Any], columns: list[str]) -> str:
    if "trace_ids" in chosen:
        return "trial calls"
    if "call_ids" in chosen and "output" in columns and "trace_id" not in columns:
        return "poisoned trials"
    if "inputs.example" in columns:
        return "feedback rows"
    return "feedback calls" if columns == ["id", "parent_id", "op_name"] else "listing"


@dataclass
class FaultyProxy:
    """Answers as `server` does, from memory once it was asked; `spoil` has it do worse.

    It takes the key that is searched for as well as the server's.
    """

    server: WeaveServer
    url: str = ""
    spoiled: int = 0
    _wanted: tuple[str, Fault, int, str] | None = None
    _answers: dict[Any, Answer] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def spoil(self, kind: str, fault: Fault, times: int, project: str = "") -> Iterator[None]:
        """Inside, the first `times` requests of a kind meet the fault; all of a project, if one is named."""
        self.spoiled, self._wanted = 0, (kind, fault, times, project)
        try:
            with self._refusing() if fault.is_refused else nullcontext():
                yield
        finally:
            self._wanted = None

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        """Has the requests that are to be spoiled connect to a port at which nobody listens."""
        send = HTTPAdapter.send

        def send_or_refuse(adapter: HTTPAdapter, request: requests.PreparedRequest, **options: Any) -> Any:
            url = request.url or ""
            content = request.body if isinstance(request.body, bytes) else b""
            if url.startswith(self.url) and self._fault(request.method or "", url.removeprefix(self.url), content):
                request.url = url.replace(self.url, f"http://127.0.0.1:{unheard.getsockname()[1]}")
            return send(adapter, request, **options)

        with socket.socket() as unheard, pytest.MonkeyPatch.context() as patch:
            unheard.bind(("127.0.0.1", 0))
            patch.setattr(HTTPAdapter, "send", send_or_refuse)
            yield

    def forget(self) -> None:
        """Asks the server anew: its data changed."""
        self._answers.clear()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answers a request, well or badly."""
        content = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        fault = self._fault(handler.command, handler.path, content)
        (fault.answer if fault else _send)(handler, self._true_answer(handler, content))

    def _fault(self, method: str, path: str, content: bytes) -> Fault | None:
        """The fault that the request is to meet, if it is; it is counted."""
        body = json.loads(content) if content else {}
        project = body.get("project_id") or "/".join(path.split("/")[2:4])
        kind = kind_of(method, path, body)
        with self._lock:
            if not self._wanted:
                return None
            wanted_kind, fault, times, wanted_project = self._wanted
            is_meant = wanted_kind == kind and wanted_project in ("", project)
            if not is_meant or self.spoiled >= times:
                return None
            self.spoiled += 1
            return fault

    def _true_answer(self, handler: BaseHTTPRequestHandler, content: bytes) -> Answer:
        key = (handler.command, handler.path, content)
        if key not in self._answers:
            self._answers[key] = self._ask(handler, content)
        return self._answers[key]

    def _ask(self, handler: BaseHTTPRequestHandler, content: bytes) -> Answer:
        headers = {name: handler.headers[name] for name in ("Authorization", "Content-Type") if handler.headers[name]}
        if headers.get("Authorization") == GIVEN:
            headers["Authorization"] = TRUE
        url = self.server.url + handler.path
        got = requests.request(handler.command, url, data=content or None, headers=headers, timeout=60)
        return Answer(got.status_code, got.content, got.headers.get("Content-Type", "application/json"))


def _send(handler: BaseHTTPRequestHandler, answer: Answer) -> None:
    handler.send_response(answer.status)
    handler.send_header("Content-Type", answer.content_type)
    handler.send_header("Content-Length", str(len(answer.body)))
    handler.end_headers()
    handler.wfile.write(answer.body)


class _Listening(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    allow_reuse_address = True


@contextmanager
def faulty_proxy(server: WeaveServer, port: int = 0) -> Iterator[FaultyProxy]:
    """A proxy on a free local port, or on `port`."""
    with listening(FaultyProxy(server), port) as proxy:
        yield proxy


@contextmanager
def listening(proxy: Proxy, port: int = 0) -> Iterator[Proxy]:
    """Has the proxy answer on a free local port, or on `port`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_POST(self) -> None:
            proxy.answer(self)

        def do_GET(self) -> None:
            proxy.answer(self)

        def handle(self) -> None:
            with suppress(OSError, ValueError):
                super().handle()

        def finish(self) -> None:
            with suppress(OSError, ValueError):
                super().finish()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            del format, args

    http = _Listening(("127.0.0.1", port), Handler)
    proxy.url = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield proxy
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
