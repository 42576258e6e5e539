"""Processes of the command line that start at once: a process that has imported everything forks for each."""

from __future__ import annotations

import json
import logging
import os
import resource
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tests.checkout import CHECKOUT

FILE_BYTES = "TEST_FILE_BYTES"
"""The variable with the size that no file of a command may exceed, as if the disk were full then."""
CLOCK_SECONDS = "TEST_CLOCK_SECONDS"
"""The variable with the seconds that a command's clock is fast; slow, if negative."""

LOG_ALL = "TEST_LOG_ALL"
"""The variable that has a command log everything, of every library, to its output."""


@dataclass(frozen=True)
class Command:
    """A command that runs in a process of its own; its output goes to `output`."""

    pid: int
    output: Path
    ended: Path

    def kill_after(self, seconds: float) -> bool:
        """Ends it as `kill -9` does once it has used so much processor time; says whether it was still running."""
        while not self.ended.exists():
            if self.seconds_so_far() >= seconds:
                with suppress(ProcessLookupError):
                    os.kill(self.pid, signal.SIGKILL)
                return self.exit_code() < 0
            time.sleep(0.003)
        return False

    def seconds_so_far(self) -> float:
        """Processor time so far; the clock would tell more of the other processes of the machine."""
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def exit_code(self, timeout: float = 120.0) -> int:
        """The exit code, once it has ended; negative for a signal."""
        return int(self._ended(timeout)[0])

    def seconds_used(self, timeout: float = 120.0) -> float:
        """The processor time that it took, once it has ended."""
        return float(self._ended(timeout)[1])

    def _ended(self, timeout: float) -> list[str]:
        deadline = time.monotonic() + timeout
        while not self.ended.exists():
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
                raise TimeoutError(f"the command had not ended after {timeout} s: {self.output.read_text()}")
            time.sleep(0.01)
        return self.ended.read_text().split()


@dataclass
class Launcher:
    """Starts commands."""

    process: subprocess.Popen[str]
    folder: Path
    started: int = 0

    def start(self, *arguments: str, environment: Mapping[str, str]) -> Command:
        """Starts `weave-eval` with these arguments and only these variables on top of the launcher's own."""
        self.started += 1
        output, ended = self.folder / f"{self.started}.output", self.folder / f"{self.started}.ended"
        order = {"arguments": arguments, "environment": dict(environment), "output": str(output), "ended": str(ended)}
        assert self.process.stdin
        assert self.process.stdout
        print(json.dumps(order), file=self.process.stdin, flush=True)
        return Command(json.loads(self.process.stdout.readline()), output, ended)


@contextmanager
def launcher(folder: Path) -> Iterator[Launcher]:
    """A launcher that ends with the block."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-m", "tests.faults.launcher"]
    with subprocess.Popen(command, cwd=CHECKOUT, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout
        process.stdout.readline()
        yield Launcher(process, folder)
        assert process.stdin
        process.stdin.close()


def _run(order: dict[str, Any]) -> int:
    """In the child: the command, with its output in a file. Gives its exit code."""
    from dlt.common.runtime.telemetry import stop_telemetry

    from weave_eval.cli.program import main

    log = os.open(order["output"], os.O_CREAT | os.O_WRONLY)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ.update(order["environment"])
    if limit := os.environ.get(FILE_BYTES):
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
    if os.environ.get("RUNTIME__SENTRY_DSN"):
        stop_telemetry()  # the process that this one is forked from has started it, without Sentry
    if os.environ.get(LOG_ALL):
        logging.basicConfig(level=logging.DEBUG)
    if seconds := os.environ.get(CLOCK_SECONDS):
        _shift_clock(float(seconds))
    return main(order["arguments"])


def _shift_clock(seconds: float) -> None:
    """Has dlt and the connector read another time off the clock."""
    import dlt.common.time

    from weave_eval.loading import execution, extraction, planning, saved_state
    from weave_eval.times import utc_now

    def now() -> datetime:
        return utc_now() + timedelta(seconds=seconds)

    dlt.common.time.precise_time = lambda: time.time() + seconds
    # A process of its own would not know the time at which the one that it is forked from started.
    dlt.common.time.increasing_precise_time._last = time.time() + seconds
    for module in (execution, extraction, planning, saved_state):
        module.utc_now = now  # type: ignore[attr-defined]


def _serve() -> None:
    """Forks for each line that comes in, and a keeper for each child, which writes down how it ended."""
    import weave_eval.cli.libraries
    import weave_eval.cli.load_text
    import weave_eval.loading.verify  # noqa: F401 - all that a command needs

    print("ready", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        reading, writing = os.pipe()
        keeper = os.fork()
        if keeper == 0:
            _keep(order, writing)
        os.close(writing)
        print(os.read(reading, 32).decode(), flush=True)
        os.close(reading)


def _keep(order: dict[str, Any], writing: int) -> None:
    child = os.fork()
    if child == 0:
        code = 99
        try:
            code = _run(order)
        except BaseException:  # noqa: BLE001 - the process ends here
            traceback.print_exc()
        finally:
            if sentry := sys.modules.get("sentry_sdk"):
                sentry.flush(5)  # as it does by itself when a process ends in the usual way
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    os.write(writing, str(child).encode())
    _, status, used = os.wait4(child, 0)
    code = os.waitstatus_to_exitcode(status)
    Path(f"{order['ended']}.new").write_text(f"{code} {used.ru_utime + used.ru_stime}")
    Path(f"{order['ended']}.new").rename(order["ended"])
    os._exit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _serve()
