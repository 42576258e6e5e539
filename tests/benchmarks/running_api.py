"""The synthetic API in a process of its own."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.benchmarks.shape import Shape
from tests.checkout import CHECKOUT


@dataclass(frozen=True)
class Traffic:
    """What the API served, and the processor seconds it took to."""

    requests: float
    sent_bytes: float
    body_bytes: float
    cpu_seconds: float

    def since(self, earlier: Traffic) -> Traffic:
        """What was added since."""
        pairs = zip(dataclasses.astuple(self), dataclasses.astuple(earlier), strict=True)
        return Traffic(*(now - then for now, then in pairs))


@dataclass(frozen=True)
class RunningApi:
    """A running API and its base URL."""

    url: str

    def traffic(self) -> Traffic:
        """All that was served so far."""
        return Traffic(**self._control("traffic"))

    def set_latency(self, seconds: float) -> None:
        """Has each answer wait so long from now on."""
        self._control(f"latency?{seconds}")

    def _control(self, what: str) -> dict[str, float]:
        with urllib.request.urlopen(f"{self.url}/_/{what}", timeout=60) as response:
            answer: dict[str, float] = json.load(response)
            return answer


@contextmanager
def running_api(shape: Shape) -> Iterator[RunningApi]:
    """The API of a project of that shape, until the context is left."""
    options = json.dumps(dataclasses.asdict(shape))
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.api", options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=CHECKOUT,
    )
    assert process.stdin
    assert process.stdout
    try:
        port = json.loads(process.stdout.readline())["port"]
        yield RunningApi(f"http://127.0.0.1:{port}")
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()
