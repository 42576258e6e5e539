"""SIGINT and SIGTERM: a command ends within seconds, no matter what it is doing.

dlt would first drain the jobs under way, which can take as long as a lock in the warehouse is held, and a driver that
waits for its server lets no Python handler run. So a signal unwinds the main thread, and another thread ends the
process if that takes too long. Nothing is lost: a load can be killed anywhere.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from threading import Thread
from types import FrameType
from typing import NoReturn

from .exit_codes import INTERRUPTED, TERMINATED

GRACE_SECONDS = 5.0

_WORDS = {INTERRUPTED: "interrupted", TERMINATED: "terminated"}
_EXIT_CODES = {signal.SIGINT: INTERRUPTED, signal.SIGTERM: TERMINATED}


class Interruption(BaseException):
    """A signal arrived. No handler of `Exception` or `KeyboardInterrupt`, such as dlt's, takes it for a failure."""


@contextmanager
def interruptions(*, is_json: bool = False, is_loading: bool = True) -> Iterator[None]:
    """Inside, SIGINT and SIGTERM unwind the main thread, say so on stderr, and end the process.

    What it says depends on whether the command `is_loading`.
    If the unwinding exceeds a grace period it is cut short; a second signal ends the process at once.
    """
    receiver, sender = socket.socketpair()
    sender.settimeout(0)
    leave = partial(_leave, is_json=is_json, is_loading=is_loading)
    Thread(target=_end_after_grace, args=(receiver, leave), daemon=True).start()
    wakeup = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
    arrived: list[int] = []
    handlers = {number: signal.signal(number, partial(_interrupt, arrived)) for number in _EXIT_CODES}
    try:
        yield
    finally:
        if arrived:  # even if the unwinding ended in another error: dlt's contexts raise their own meanwhile
            leave(arrived[0])
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(wakeup)
        sender.close()


def _interrupt(arrived: list[int], number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - a handler's arguments
    arrived.append(number)
    for other in _EXIT_CODES:
        signal.signal(other, _end)
    raise Interruption(number)


def _end(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - a handler's arguments
    os._exit(_EXIT_CODES[signal.Signals(number)])


def _end_after_grace(receiver: socket.socket, leave: Callable[[int], NoReturn]) -> None:
    """Waits for a signal's number, which Python writes even while the main thread is inside a driver."""
    with receiver:
        number = receiver.recv(1)
    if number:
        time.sleep(GRACE_SECONDS)
        leave(number[0])


def _leave(number: int, *, is_json: bool, is_loading: bool) -> NoReturn:
    """Ends the process at once: an orderly exit would wait for answers that are still on their way."""
    code = _EXIT_CODES[signal.Signals(number)]
    kept = ": what was loaded is kept, and the next load continues from there" if is_loading else ""
    text = f"{_WORDS[code]}{kept}."
    with suppress(OSError, ValueError):
        sys.stderr.write((json.dumps({"level": "error", "message": text}) if is_json else text) + "\n")
        sys.stderr.flush()
        sys.stdout.flush()
    os._exit(code)
