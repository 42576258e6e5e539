"""The synthetic project behind HTTP, as fast as Python serves it.

`python -m tests.benchmarks.api '{"runs": 10, "rows": 500}'` prints `{"port": ...}` and serves until its standard input
is closed.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import resource
import socket
import sys
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.benchmarks.bodies import Bodies, pack
from tests.benchmarks.project import ENTITY, NAME, Json, Project, compact
from tests.benchmarks.shape import Shape

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_GZIP = re.compile(rb"accept-encoding:[^\r]*gzip", re.IGNORECASE)
_V2 = f"/v2/{ENTITY}/{NAME}/"
_SMALL = 500


class NotServedError(LookupError):
    """Nobody who is measured asks for this."""


@dataclass(frozen=True)
class Answer:
    """A body in packed parts, and how many bytes it has unpacked, where that is known."""

    parts: Iterable[bytes]
    kind: str = "application/json"


def plain(content: bytes, kind: str = "application/json") -> Answer:
    """An answer that was not packed before."""
    return Answer([pack(content)], kind)


class Api:
    """Answers to requests."""

    def __init__(self, shape: Shape):
        self._project = Project(shape)
        self._bodies = Bodies(self._project)

    def answer(self, method: str, target: str, body: Json) -> Answer:
        """The answer to a request. Raises `NotServedError`."""
        url = urlsplit(target)
        routes = {
            ("POST", "/calls/stream_query"): self._calls,
            ("POST", "/calls/query_stats"): self._call_stats,
            ("POST", f"{_V2}eval_results/query"): self._results,
            ("POST", "/objs/query"): self._objects,
            ("POST", "/feedback/query"): lambda _: plain(b'{"result":[]}'),
            ("GET", f"{_V2}evaluation_runs"): self._v2_runs,
        }
        route = routes.get((method, url.path))
        if route is None:
            raise NotServedError(f"{method} {url.path} is not served")
        return route(body or {name: values[0] for name, values in parse_qs(url.query).items()})

    def _calls(self, body: Json) -> Answer:
        if "trace_ids" in body["filter"]:
            return Answer(self._bodies.calls(self._parents(body)), "application/jsonl")
        if "trace_roots_only" in body["filter"]:
            return _lines([])  # no other op looks like an evaluation
        return _lines(self._project.run_call(run) for run in _paged(self._listed(body), body))

    def _call_stats(self, body: Json) -> Answer:
        is_of_trials = {"trace_ids", "parent_ids"} & body["filter"].keys()
        count = len(self._parents(body)) * self._project.shape.rows if is_of_trials else len(self._listed(body))
        return plain(compact({"count": count, "has_more": False, "total_storage_size_bytes": None}))

    def _parents(self, body: Json) -> list[int]:
        """The runs whose trials' calls are asked for."""
        literals = re.findall(r'"\$literal": "([0-9a-f-]{36})"', json.dumps(body["query"]))
        return [self._project.runs_by_id[run_id] for run_id in body["filter"].get("parent_ids", literals)]

    def _listed(self, body: Json) -> list[int]:
        """The runs that a listing is about."""
        if "Evaluation.evaluate" not in str(body["filter"].get("op_names")):
            raise NotServedError(f"calls by {body['filter']} are not served")
        since = re.search(r'"\$gte".*?"\$literal": "([^"]+)"', json.dumps(body.get("query")))
        return self._project.listed(since[1] if since else None)

    def _v2_runs(self, body: Json) -> Answer:
        return _lines(self._project.v2_run(run) for run in _paged(self._project.listed()[::-1], body))

    def _results(self, body: Json) -> Answer:
        (run_id,) = body.get("evaluation_call_ids") or body["evaluation_run_ids"]
        run = self._project.runs_by_id[run_id]
        if not body.get("include_rows", True):
            return plain(self._bodies.summary(run))
        if body.get("include_summary") or not (body.get("include_raw_data_rows") and body.get("resolve_row_refs")):
            raise NotServedError("rows are served with their inputs, and without the summary")
        return Answer(self._bodies.page(run, body.get("offset") or 0, body.get("limit")))

    def _objects(self, body: Json) -> Answer:
        chosen = body["filter"]
        classes, ids = chosen.get("base_object_classes"), chosen.get("object_ids")
        found = [
            version
            for version in self._project.objects
            if not chosen.get("is_op")
            and (classes is None or version["base_object_class"] in classes)
            and (ids is None or version["object_id"] in ids)
        ]
        return plain(compact({"objs": _paged(found, body)}))


def _paged(items: list[Any], body: Json) -> list[Any]:
    offset, limit = int(body.get("offset") or 0), body.get("limit")
    return items[offset : offset + int(limit)] if limit else items[offset:]


def _lines(items: Iterable[Json]) -> Answer:
    return plain(b"".join(compact(item) + b"\n" for item in items), "application/jsonl")


@dataclass
class Counts:
    """Requests answered, and bytes of their bodies as they were sent and unpacked."""

    requests: int = 0
    sent_bytes: int = 0
    body_bytes: int = 0


class Server:
    """HTTP/1.1 on a listening socket. It is told and asked what no user asks for under `/_/`."""

    def __init__(self, api: Api):
        self._api = api
        self._counts = Counts()
        self._latency = 0.0

    async def serve(self, listener: socket.socket) -> None:
        """Serves until cancelled."""
        server = await asyncio.start_server(self._connection, sock=listener)
        await server.serve_forever()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = _LENGTH.search(head)
                content = await reader.readexactly(int(length[1])) if length else b""
                await self._respond(writer, head, content)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def _respond(self, writer: asyncio.StreamWriter, head: bytes, content: bytes) -> None:
        method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
        if target.startswith("/_/"):
            _write(writer, 200, compact(self._control(target)))
            return
        await asyncio.sleep(self._latency)
        try:
            answer = self._api.answer(method, target, json.loads(content) if content else {})
        except (LookupError, ValueError, TypeError) as error:
            _write(writer, 400, compact({"detail": f"{type(error).__name__}: {error}"}))
            return
        await self._send(writer, answer, is_packed=bool(_GZIP.search(head)))

    def _control(self, target: str) -> Json:
        """Answers `/_/traffic` and, from where each answer waits that many seconds, `/_/latency?0.1`."""
        what, _, value = target.removeprefix("/_/").partition("?")
        if what == "latency":
            self._latency = float(value)
        used = resource.getrusage(resource.RUSAGE_SELF)
        return {**vars(self._counts), "cpu_seconds": used.ru_utime + used.ru_stime}

    async def _send(self, writer: asyncio.StreamWriter, answer: Answer, *, is_packed: bool) -> None:
        parts = list(answer.parts)
        unpacked = sum(int.from_bytes(part[-4:], "little") for part in parts)
        if not is_packed or unpacked < _SMALL:
            parts = [zlib.decompress(part, 31) for part in parts]
            is_packed = False
        self._counts.requests += 1
        self._counts.body_bytes += unpacked
        writer.write(_head(200, answer.kind, sum(map(len, parts)), is_packed=is_packed))
        for part in parts:
            writer.write(part)
            await writer.drain()
            self._counts.sent_bytes += len(part)


def _head(status: int, kind: str, length: int, *, is_packed: bool = False) -> bytes:
    encoding = "Content-Encoding: gzip\r\n" if is_packed else ""
    return (
        f"HTTP/1.1 {status} {'OK' if status == 200 else 'Bad Request'}\r\nContent-Type: {kind}\r\n{encoding}"
        f"Content-Length: {length}\r\n\r\n"
    ).encode()


def _write(writer: asyncio.StreamWriter, status: int, body: bytes) -> None:
    writer.write(_head(status, "application/json", len(body)) + body)


async def _serve(shape: Shape) -> None:
    api = Api(shape)
    listener = socket.create_server(("127.0.0.1", 0), backlog=200)
    asyncio.get_running_loop().add_reader(sys.stdin, os._exit, 0)
    print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
    await Server(api).serve(listener)


if __name__ == "__main__":
    asyncio.run(_serve(Shape(**json.loads(sys.argv[1]))))
