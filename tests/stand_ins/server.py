"""A server in a process of its own, as the warehouses' stand-ins need it."""

from __future__ import annotations

import atexit
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

START_SECONDS = 60.0
STOP_SECONDS = 20.0


class ServerError(RuntimeError):
    """A server did not come up; the message ends with what it wrote."""


def free_port() -> int:
    """Return a TCP port of the loopback interface that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@dataclass(frozen=True)
class Server:
    """A running process and the file it writes to."""

    process: subprocess.Popen[bytes]
    log: Path

    @classmethod
    def start(
        cls,
        command: Sequence[str],
        log: Path,
        is_ready: Callable[[], bool],
        environment: Mapping[str, str] | None = None,
        user: int | None = None,
    ) -> Server:
        """Run `command` and wait until it is ready.

        `environment` is added to this process's own; `user` is the numeric id to run as.
        Raises `ServerError` when the process ends or is not ready after `START_SECONDS`.
        """
        identity = {} if user is None else {"user": user, "group": user, "extra_groups": []}
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                cwd="/",
                **identity,  # type: ignore[call-overload]
            )
        server = cls(process, log)
        atexit.register(server.stop)
        server._wait(is_ready)
        return server

    def stop(self) -> None:
        """Interrupt the process, and kill it when it does not end in `STOP_SECONDS`."""
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _wait(self, is_ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise ServerError(self._failure())
            time.sleep(0.1)

    def _failure(self) -> str:
        name = Path(str(self.process.args[0])).name  # type: ignore[index]
        output = self.log.read_text(errors="replace")[-4000:]
        return f"{name} did not start (exit status {self.process.returncode}). Its output:\n{output}"
