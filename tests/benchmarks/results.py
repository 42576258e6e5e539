"""What was measured, by what it was measured on."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.benchmarks.measurement import Measurement, medians


@dataclass(frozen=True, order=True)
class Case:
    """What is done, to what size of project, how slow the API (milliseconds), and where it is loaded to."""

    scenario: str
    size: str
    latency: int = 0
    destination: str = ""

    def __str__(self) -> str:
        latency = f"{self.latency} ms" if self.size else ""
        return " · ".join(part for part in (self.scenario, self.size, latency, self.destination) if part)


@dataclass
class Results:
    """Measurements of programs, each repeated."""

    repeated: dict[Case, dict[str, list[Measurement]]] = field(default_factory=lambda: defaultdict(dict))
    report: Callable[[str], None] = print

    def add(self, case: Case, program: str, measurement: Measurement) -> None:
        """Adds a measurement, and says so."""
        self.repeated[case].setdefault(program, []).append(measurement)
        wall, cpu = measurement.wall_seconds, measurement.cpu_seconds
        self.report(f"  {case} · {program}: {wall:.2f} s, CPU {cpu:.2f} s, {measurement.peak_bytes / 1e6:.0f} MB")

    def get(self, case: Case, program: str) -> Measurement | None:
        """The medians of a program; None if it was not measured."""
        found = self.repeated.get(case, {}).get(program)
        return medians(found) if found else None

    def cases(self, scenario: str | None = None) -> Iterator[Case]:
        """The cases measured, of a scenario or all."""
        return (case for case in self.repeated if scenario in (None, case.scenario))

    def write(self, path: Path) -> None:
        """Writes every measurement as JSON."""
        found = [
            {**asdict(case), "program": program, **asdict(one)}
            for case, programs in self.repeated.items()
            for program, repeated in programs.items()
            for one in repeated
        ]
        path.write_text(json.dumps(found, indent=1), encoding="utf-8")
