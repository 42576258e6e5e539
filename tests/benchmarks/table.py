"""Results and goals as text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from tests.benchmarks.goals import MB, Goal
from tests.benchmarks.measurement import Measurement
from tests.benchmarks.results import Case, Results

_HEADINGS = (
    *("program", "wall s", "CPU s", "database s", "API s", "peak MB", "requests", "sent MB", "body MB"),
    *("body MB/s", "wall ÷ ours", "CPU ÷ floor"),
)


def results_text(results: Results) -> str:
    """A table for each case: medians, and ratios of them."""
    return "\n\n".join(f"{case}\n{_aligned([_HEADINGS, *_rows(results, case)])}" for case in results.cases())


def _rows(results: Results, case: Case) -> Iterator[Sequence[str]]:
    ours, floor = results.get(case, "ours"), results.get(case, "floor")
    for program in results.repeated[case]:
        one = results.get(case, program)
        if one:
            yield (program, *_numbers(one), _ratio(one, ours, "wall_seconds"), _ratio(one, floor, "cpu_seconds"))


def _numbers(one: Measurement) -> Iterator[str]:
    yield from (f"{value:.2f}" for value in (one.wall_seconds, one.cpu_seconds))
    yield from (f"{value:.2f}" for value in (one.database_seconds, one.api_seconds))
    yield f"{one.peak_bytes / MB:.0f}"
    yield f"{one.requests:.0f}"
    yield from (f"{value / MB:.1f}" for value in (one.sent_bytes, one.body_bytes))
    yield f"{one.body_bytes / MB / one.wall_seconds:.0f}"


def _ratio(one: Measurement, other: Measurement | None, name: str) -> str:
    return f"{getattr(one, name) / getattr(other, name):.2f}" if other else ""


def goals_text(goals: Iterable[Goal]) -> str:
    """A line for each goal."""
    rows = [
        (
            str(goal.case),
            goal.what,
            f"{goal.measured:.2f}",
            f"{goal.sign} {goal.bound:g}",
            "yes" if goal.is_met else "NO",
        )
        for goal in goals
    ]
    return _aligned([("goal of", "what", "measured", "bound", "met"), *rows])


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if number == 0 or cell[:1].isalpha() else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
