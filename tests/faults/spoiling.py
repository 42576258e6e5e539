"""The ways in which an answer goes wrong on its way."""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from typing import Protocol

HANGING_SECONDS = 0.25
"""Longer than the clients of these tests wait for a byte."""


class Answered(Protocol):
    """What the server answers to a request."""

    @property
    def status(self) -> int: ...
    @property
    def body(self) -> bytes: ...
    @property
    def content_type(self) -> str: ...


Handler = BaseHTTPRequestHandler


@dataclass(frozen=True)
class Fault:
    """A way to spoil an answer. `is_cut` says that what arrives can be taken for a complete answer.

    One that `is_refused` is answered by nobody: nobody listens.
    """

    name: str
    answer: Callable[[Handler, Answered], None]
    is_harmless: bool = False
    is_cut: bool = False
    is_refused: bool = False


def _send(
    handler: Handler, status: int, body: bytes, content_type: str, length: int | None = None, **more: str
) -> None:
    handler.send_response(status)
    sent = {"Content-Type": content_type, "Content-Length": str(len(body) if length is None else length), **more}
    for name, value in sent.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)
    handler.wfile.flush()


def refusal(name: str, status: int, **headers: Callable[[], str]) -> Fault:
    """A status with W&B's kind of body."""

    def answer(handler: Handler, _: Answered) -> None:
        body = json.dumps({"reason": f"spoiled with {name}"}).encode()
        _send(handler, status, body, "application/json", None, **{key: value() for key, value in headers.items()})

    return Fault(name, answer)


def _html(handler: Handler, _: Answered) -> None:
    _send(handler, 502, b"<html><head><title>502 Bad Gateway</title></head></html>", "text/html")


def _reset(handler: Handler) -> None:
    handler.close_connection = True
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.rfile.close()
    handler.connection.close()


def _reset_before(handler: Handler, _: Answered) -> None:
    _reset(handler)


def _reset_amid(handler: Handler, answered: Answered) -> None:
    half = answered.body[: len(answered.body) // 2]
    _send(handler, answered.status, half, answered.content_type, length=len(answered.body) + 1)
    time.sleep(0.02)
    _reset(handler)


def _short(handler: Handler, answered: Answered) -> None:
    half = answered.body[: len(answered.body) // 2]
    _send(handler, answered.status, half, answered.content_type, length=len(answered.body) + 1)
    handler.close_connection = True


def _unframed(handler: Handler, answered: Answered, body: bytes) -> None:
    """An answer that ends where the connection does, as some proxies send it: nothing tells its length."""
    handler.send_response(200 if answered.status == 200 else answered.status)
    handler.send_header("Content-Type", answered.content_type)
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.wfile.write(body)
    handler.wfile.flush()
    handler.close_connection = True


def _cut_at_a_line(handler: Handler, answered: Answered) -> None:
    lines = answered.body.splitlines(keepends=True)
    _unframed(handler, answered, b"".join(lines[: len(lines) // 2]))


def _cut_last_line(handler: Handler, answered: Answered) -> None:
    _unframed(handler, answered, b"".join(answered.body.splitlines(keepends=True)[:-1]))


def _empty(handler: Handler, answered: Answered) -> None:
    _unframed(handler, answered, b"")


def _half(handler: Handler, answered: Answered) -> None:
    _unframed(handler, answered, answered.body[: (len(answered.body) * 2 + 2) // 3])


def _garbage(handler: Handler, answered: Answered) -> None:
    _send(handler, 200, b'\x00{"oops"' + answered.body[::-1], answered.content_type)


def _wrong_gzip(handler: Handler, answered: Answered) -> None:
    _send(handler, 200, answered.body or b"x", answered.content_type, Content_Encoding="gzip")


def _hang(handler: Handler, _: Answered) -> None:
    time.sleep(HANGING_SECONDS)
    handler.close_connection = True


def _drip(handler: Handler, answered: Answered) -> None:
    handler.send_response(answered.status)
    handler.send_header("Content-Type", answered.content_type)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    step = max(1, len(answered.body) // 4)
    for start in range(0, len(answered.body), step):
        part = answered.body[start : start + step]
        handler.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
        handler.wfile.flush()
        time.sleep(0.005)
    handler.wfile.write(b"0\r\n\r\n")


def _in_a_moment() -> str:
    return formatdate(time.time() + 1, usegmt=True)


FAULTS = {
    fault.name: fault
    for fault in (
        refusal("429 seconds", 429, Retry_After=lambda: "1"),
        refusal("429 date", 429, Retry_After=_in_a_moment),
        refusal("429", 429),
        refusal("500", 500),
        Fault("502 html", _html),
        refusal("503", 503),
        refusal("504", 504),
        Fault("refused", _reset_before, is_refused=True),
        Fault("reset before", _reset_before),
        Fault("reset amid", _reset_amid),
        Fault("short", _short),
        Fault("half", _half),
        Fault("cut in lines", _cut_at_a_line, is_cut=True),
        Fault("cut last line", _cut_last_line, is_cut=True),
        Fault("empty", _empty, is_cut=True),
        Fault("garbage", _garbage),
        Fault("wrong gzip", _wrong_gzip),
        Fault("hang", _hang),
        Fault("drip", _drip, is_harmless=True),
    )
}
"""Every fault, by name."""
