"""What a program costs: time, processor, memory, traffic."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from statistics import median

from tests.benchmarks.running_api import RunningApi
from tests.checkout import CHECKOUT

_LAST_WORDS = 2_000


class ProgramError(RuntimeError):
    """A program that was to be measured failed; the message ends with what it wrote."""


@dataclass(frozen=True)
class Measurement:
    """A program from its start to its end.

    `cpu_seconds` is its own, with all it started; `database_seconds` is what a database server spent meanwhile, and
    `api_seconds` what the API did. `peak_bytes` is the largest resident size of any of its processes.
    """

    wall_seconds: float
    cpu_seconds: float
    peak_bytes: float
    database_seconds: float = 0.0
    api_seconds: float = 0.0
    requests: float = 0
    sent_bytes: float = 0
    body_bytes: float = 0


def measure(
    command: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    api: RunningApi | None = None,
    database_seconds: Callable[[], float] = lambda: 0.0,
) -> Measurement:
    """Runs a program in `folder`. Raises `ProgramError` if it fails."""
    traffic, database = api and api.traffic(), database_seconds()
    began = time.monotonic()
    with (folder / "output").open("w+b") as output:
        process = subprocess.Popen(command, cwd=folder, env=_environment(environment), stdout=output, stderr=output)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        if process.returncode:
            words = output.read().decode(errors="replace")[-_LAST_WORDS:]
            raise ProgramError(f"{' '.join(command)} ended with {process.returncode}:\n{words}")
    served = api.traffic().since(traffic) if api and traffic else None
    return Measurement(
        wall_seconds=wall,
        cpu_seconds=used.ru_utime + used.ru_stime,
        peak_bytes=used.ru_maxrss * 1024,
        database_seconds=database_seconds() - database,
        api_seconds=served.cpu_seconds if served else 0.0,
        requests=served.requests if served else 0,
        sent_bytes=served.sent_bytes if served else 0,
        body_bytes=served.body_bytes if served else 0,
    )


def medians(measurements: Sequence[Measurement]) -> Measurement:
    """The median of each number."""
    names = [field.name for field in fields(Measurement)]
    return Measurement(**{name: median(getattr(one, name) for one in measurements) for name in names})


_FOREIGN = ("WANDB_", "WF_", "WEAVE_", "SOURCES__", "DESTINATION__", "NETRC")


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without the user's settings; compiled modules are kept, as installed ones are."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    own.pop("PYTHONDONTWRITEBYTECODE", None)
    return {**own, "PYTHONPATH": str(CHECKOUT), "RUNTIME__DLTHUB_TELEMETRY": "false", **more}
