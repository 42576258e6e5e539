"""SIGINT and SIGTERM: a command ends within seconds, whatever it is doing.

dlt would first drain the jobs under way, which can take as long as a lock in the warehouse is held, and a driver that
waits for its server lets no Python handler run. So a signal unwinds the main thread, and a thread beside it ends the
process when that takes too long. Nothing is lost: a load can be killed anywhere.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from threading import Thread
from types import FrameType
from typing import NoReturn

GRACE_SECONDS = 5.0
SIGNALS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}


class Interruption(BaseException):
    """A signal arrived. No handler of `Exception` or `KeyboardInterrupt`, such as dlt's, takes it for a failure."""


@contextmanager
def interruptions(*, is_json: bool = False) -> Iterator[None]:
    """Inside, SIGINT and SIGTERM unwind the main thread, say so on stderr, and end the process with 130 or 143.

    What has not unwound after a grace period is cut; a second signal ends the process at once.
    """
    receiver, sender = socket.socketpair()
    sender.settimeout(0)
    Thread(target=_end_after_grace, args=(receiver, is_json), daemon=True).start()
    wakeup = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
    arrived: list[int] = []
    handlers = {number: signal.signal(number, partial(_interrupt, arrived)) for number in SIGNALS}
    try:
        yield
    finally:
        if arrived:  # whatever the unwinding has made of it: dlt's contexts raise errors of their own meanwhile
            _leave(arrived[0], is_json=is_json)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(wakeup)
        sender.close()


def _interrupt(arrived: list[int], number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - what a handler is given
    arrived.append(number)
    for other in SIGNALS:
        signal.signal(other, _end)
    raise Interruption(number)


def _end(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - what a handler is given
    os._exit(128 + number)


def _end_after_grace(receiver: socket.socket, is_json: bool) -> None:  # noqa: FBT001 - an argument of a thread
    """Waits for a signal's number, which Python writes even while the main thread is inside a driver."""
    with receiver:
        number = receiver.recv(1)
    if number:
        time.sleep(GRACE_SECONDS)
        _leave(number[0], is_json=is_json)


def _leave(number: int, *, is_json: bool) -> NoReturn:
    """Ends the process at once: an orderly exit would wait for the answers that are still on their way."""
    how = SIGNALS[signal.Signals(number)]
    text = f"{how}: what was loaded stays, and the next load goes on from there."
    sys.stderr.write((json.dumps({"level": "error", "message": text}) if is_json else text) + "\n")
    sys.stderr.flush()
    sys.stdout.flush()
    os._exit(128 + number)
