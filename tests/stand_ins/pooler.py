"""A pooler in front of Postgres, as PgBouncer is in transaction mode: between transactions, sessions change hands.

It speaks as much of the protocol as that takes, without passwords, and ignores what clients want at their start.
"""

from __future__ import annotations

import select
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_ASKING = (b"Q", b"S")
"""Messages of a client that the server answers with its readiness for another."""

_SSL, _GSS, _CANCEL, _PROTOCOL = 80877103, 80877104, 80877102, 196608


class _GoneError(Exception):
    """The other side has closed its connection."""


class Pooler:
    """Listens at `port` for the server at `target`; the session that was given back last is handed out first."""

    def __init__(self, target: tuple[str, int], user: str, database: str):
        self._target = target
        self._hello = _packed(b"", struct.pack("!i", _PROTOCOL) + f"user\0{user}\0database\0{database}\0\0".encode())
        self._free: list[tuple[socket.socket, bytes]] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listening.close()
        for server, _ in self._free:
            server.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        server = None
        with client, suppress(_GoneError, OSError):
            self._greet(client)
            while True:
                first = _message(client)
                if first[:1] == b"X":
                    return
                server, greeting = self._take()
                _relay_transaction(client, server, first)
                self._free.append((server, greeting))
                server = None
        if server:
            server.close()

    def _greet(self, client: socket.socket) -> None:
        """Answers as the server did when a session with it began."""
        (code,) = struct.unpack("!i", _message(client, has_kind=False)[4:8])
        while code in (_SSL, _GSS):
            client.sendall(b"N")
            (code,) = struct.unpack("!i", _message(client, has_kind=False)[4:8])
        if code == _CANCEL:
            raise _GoneError
        server, greeting = self._take()
        self._free.append((server, greeting))
        client.sendall(greeting)

    def _take(self) -> tuple[socket.socket, bytes]:
        with suppress(IndexError):
            return self._free.pop()
        server = socket.create_connection(self._target)
        server.sendall(self._hello)
        greeting = message = _message(server)
        while message[:1] != b"Z":
            message = _message(server)
            greeting += message
        return server, greeting


def _relay_transaction(client: socket.socket, server: socket.socket, first: bytes) -> None:
    """Passes messages on until the server is in no transaction, and nothing is left to be answered."""
    server.sendall(first)
    unanswered = int(first[:1] in _ASKING)
    while True:
        for ready in select.select((client, server), (), ())[0]:
            message = _message(ready)
            kind = message[:1]
            if ready is client and kind == b"X":
                raise _GoneError
            (server if ready is client else client).sendall(message)
            if ready is client:
                unanswered += kind in _ASKING
            elif kind == b"Z":
                unanswered -= 1
                if message[5:6] == b"I" and not unanswered:
                    return


def _message(source: socket.socket, *, has_kind: bool = True) -> bytes:
    head = _exactly(source, 5 if has_kind else 4)
    (length,) = struct.unpack("!i", head[-4:])
    return head + _exactly(source, length - 4)


def _exactly(source: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        part = source.recv(size - len(found))
        if not part:
            raise _GoneError
        found += part
    return found


def _packed(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


@contextmanager
def pooling(target: tuple[str, int], user: str, database: str) -> Iterator[Pooler]:
    """A pooler that is there within the block."""
    pooler = Pooler(target, user, database)
    try:
        yield pooler
    finally:
        pooler.close()
