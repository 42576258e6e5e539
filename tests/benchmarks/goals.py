"""What a load may cost, and whether it does: ratios and bounds over what was measured in one run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from tests.benchmarks.measurement import Measurement
from tests.benchmarks.results import Case, Results
from tests.benchmarks.shape import SIZES
from weave_eval.settings import Settings

PARALLELISM = Settings.parallelism
"""Requests that a load has under way by default, at most."""

MB = 1e6


@dataclass(frozen=True)
class Goal:
    """A number that was measured, and the bound that it should keep."""

    case: Case
    what: str
    measured: float
    sign: Literal["<=", ">="]
    bound: float

    @property
    def is_met(self) -> bool:
        return self.measured <= self.bound if self.sign == "<=" else self.measured >= self.bound


def goals(results: Results) -> Iterator[Goal]:
    """Every goal that the results say something about."""
    for case in results.cases("load"):
        ours = results.get(case, "ours")
        if ours:
            yield from _floor(results, case, ours)
            yield from _peers(results, case, ours)
            yield from _latency(results, case, ours)
            yield from _memory(results, case, ours)
            yield from _requests(case, ours)
    for case in results.cases("large"):
        if ours := results.get(case, "ours"):
            yield from _memory(results, case, ours)
    yield from _unchanged(results)
    yield from _growth(results)
    yield from _cold(results)


def _floor(results: Results, case: Case, ours: Measurement) -> Iterator[Goal]:
    floor = results.get(case, "floor")
    if floor and case.size == "S":
        yield Goal(case, "CPU seconds above the floor", ours.cpu_seconds - floor.cpu_seconds, "<=", 1.2)
    elif floor:
        yield Goal(case, "CPU ÷ the floor's", ours.cpu_seconds / floor.cpu_seconds, "<=", 1.3)


def _peers(results: Results, case: Case, ours: Measurement) -> Iterator[Goal]:
    bounds = {("snippets", "M", 0): 2.5, ("snippets", "M", 100): 4.0, ("rest_api", "S", 0): 20.0}
    for (name, size, latency), bound in bounds.items():
        peer = results.get(case, name)
        if peer and (size, latency) == (case.size, case.latency):
            yield Goal(case, f"times faster than {name}", peer.wall_seconds / ours.wall_seconds, ">=", bound)


def _latency(results: Results, case: Case, ours: Measurement) -> Iterator[Goal]:
    prompt = results.get(replace(case, latency=0), "ours")
    if prompt and case.latency:
        ideal = ours.requests * case.latency / 1000 / PARALLELISM + prompt.wall_seconds
        yield Goal(case, "wall ÷ (waiting + wall at 0 ms)", ours.wall_seconds / ideal, "<=", 1.15)


def _memory(results: Results, case: Case, ours: Measurement) -> Iterator[Goal]:
    smaller = results.get(replace(case, size="M"), "ours")
    if smaller and case.size == "L":
        yield Goal(case, "peak memory ÷ that at M", ours.peak_bytes / smaller.peak_bytes, "<=", 1.2)
    bound = 450 if case.destination == "postgres" else 1000
    yield Goal(case, "peak memory, MB", ours.peak_bytes / MB, "<=", bound)


def _requests(case: Case, ours: Measurement) -> Iterator[Goal]:
    shape = SIZES[case.size]
    beside = ours.requests - shape.pages() - 2 * shape.runs
    yield Goal(case, "requests beyond pages + 2 a run", beside, "<=", 4)


def _unchanged(results: Results) -> Iterator[Goal]:
    for case in results.cases("unchanged"):
        ours, start = results.get(case, "ours"), results.get(case, "start")
        if ours and start:
            yield Goal(case, "seconds beyond the start", ours.wall_seconds - start.wall_seconds, "<=", 0.5)
            yield Goal(case, "requests", ours.requests, "<=", 2)


def _growth(results: Results) -> Iterator[Goal]:
    cases = sorted(results.cases("growth"), key=lambda case: int(case.size.split()[0]))
    for case in cases[1:]:
        fewer = next(other for other in cases if other.destination == case.destination)
        ours, before = results.get(case, "ours"), results.get(fewer, "ours")
        if ours and before and fewer != case:
            yield Goal(case, f"wall ÷ that at {fewer.size}", ours.wall_seconds / before.wall_seconds, "<=", 1.5)


def _cold(results: Results) -> Iterator[Goal]:
    case = Case("cold", "")
    help_, dlt, source = (results.get(case, name) for name in ("help", "import dlt", "import source"))
    if help_ and dlt and source:
        yield Goal(case, "help, seconds", help_.wall_seconds, "<=", 0.3)
        yield Goal(case, "import beyond dlt's, seconds", source.wall_seconds - dlt.wall_seconds, "<=", 0.5)
