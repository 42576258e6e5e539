"""Connections whose answers keep to a deadline down to the last byte, and that can be cut while a thread waits for one.

A socket's timeout is for its next bytes alone: a server that sends one now and then would hold a thread for ever.
"""

from __future__ import annotations

import http.client
import io
import socket
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

_OF_THE_THREAD = threading.local()


@contextmanager
def answered_by(deadline: float) -> Iterator[None]:
    """Inside, this thread's requests fail with a timeout unless the whole answer is there by then (monotonic time)."""
    _OF_THE_THREAD.deadline = deadline
    try:
        yield
    finally:
        del _OF_THE_THREAD.deadline


class CuttableAdapter(HTTPAdapter):
    """Makes such connections, at most `most` at a time to one host."""

    def __init__(self, most: int):
        self._opened: weakref.WeakSet[Any] = weakref.WeakSet()
        super().__init__(pool_connections=1, pool_maxsize=most)

    def init_poolmanager(self, *rest: Any, **options: Any) -> None:
        """Makes the pools of connections."""
        super().init_poolmanager(*rest, **options)
        self._prepare(self.poolmanager)

    def proxy_manager_for(self, *rest: Any, **options: Any) -> Any:
        """The pools of connections through a proxy."""
        manager = super().proxy_manager_for(*rest, **options)
        self._prepare(manager)
        return manager

    def cut(self) -> None:
        """Ends whatever is under way: threads that wait for an answer get an error at once."""
        for connection in list(self._opened):
            if isinstance(connection.sock, socket.socket):
                with suppress(OSError):  # it had ended by itself
                    socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)  # TLS's own would wait for its lock

    def _prepare(self, manager: PoolManager) -> None:
        opened = self._opened

        class Plain(HTTPConnectionPool):
            ConnectionCls = _PlainConnection

            def _new_conn(self) -> Any:
                opened.add(made := super()._new_conn())
                return made

        class Encrypted(HTTPSConnectionPool):
            ConnectionCls = _EncryptedConnection

            def _new_conn(self) -> Any:
                opened.add(made := super()._new_conn())
                return made

        manager.pool_classes_by_scheme = {"http": Plain, "https": Encrypted}


class _Bounded(io.RawIOBase):
    """What a socket receives, until the deadline."""

    def __init__(self, received: io.RawIOBase, sock: socket.socket, deadline: float):
        self._received = received
        self._socket = sock
        self._deadline = deadline
        self._longest = sock.gettimeout()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer took too long")
        if self._longest is None or left < self._longest:
            self._socket.settimeout(left)
        return self._received.readinto(buffer)

    def fileno(self) -> int:
        return self._received.fileno()

    def close(self) -> None:
        self._received.close()
        super().close()


class _Answer(http.client.HTTPResponse):
    """An answer that is read until the deadline of the thread that asked."""

    def __init__(self, sock: socket.socket, *rest: Any, **options: Any):
        super().__init__(sock, *rest, **options)
        deadline = getattr(_OF_THE_THREAD, "deadline", None)
        if deadline is not None:
            received: Any = self.fp
            self.fp = io.BufferedReader(_Bounded(received.detach(), sock, deadline))


class _PlainConnection(HTTPConnection):
    response_class = _Answer


class _EncryptedConnection(HTTPSConnection):
    response_class = _Answer
