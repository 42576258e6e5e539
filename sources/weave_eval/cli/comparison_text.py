"""A comparison on a terminal."""

from __future__ import annotations

import io
import json
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..judging.comparison import Comparison, Measurement, PairedMetric, RowChange
from ..judging.run_results import Content
from ..judging.statistics import ALPHA, Estimate
from .console import visible

WIDTH_OF_A_FILE = 160
LONGEST_CONTENT = 140

_NAMES = {
    "latency_seconds": "latency, seconds",
    "total_cost": "cost, US dollars",
    "total_tokens": "tokens",
}


def comparison_text(found: Comparison, contents: Mapping[str, Content], count: int) -> str:
    """A comparison as stdout shows it, with at most `count` rows of each kind."""
    drawn, is_terminal = io.StringIO(), sys.stdout.isatty()
    console = Console(
        file=drawn,
        force_terminal=is_terminal,
        width=shutil.get_terminal_size().columns if is_terminal else WIDTH_OF_A_FILE,
        highlight=False,
        soft_wrap=not is_terminal,
    )
    console.print("\n".join(_headings(found)))
    for obstacle in found.obstacles:
        console.print(f"[yellow]warning:[/] {_shown(obstacle.text)}")
    if found.metrics:
        console.print(_metrics_table(found.metrics))
    if any(each.baseline or each.candidate for each in found.measurements):
        console.print(_measurements_table(found.measurements))
    for line in (*_regressions(found, contents, count), *_flaky(found, contents, count)):
        console.print(line)
    return drawn.getvalue().rstrip("\n")


def _headings(found: Comparison) -> Iterator[str]:
    for name, run in (("baseline ", found.baseline), ("candidate", found.candidate)):
        called = f"{_shown(run.label)}, {_shown(run.evaluation_name or 'unnamed evaluation')}"
        yield f"{name}  {called}, {run.started_at:%Y-%m-%d %H:%M}, {run.run_id}"
    failed = f", failed trials: {found.failed_trials[0]} → {found.failed_trials[1]}" if any(found.failed_trials) else ""
    yield f"{found.common_rows} rows in both{failed}"


def _metrics_table(metrics: Sequence[PairedMetric]) -> Table:
    table = Table(title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("metric", "rows", "baseline", "candidate", "difference", "better", "worse", "same", "p", "test"):
        table.add_column(name, justify="left" if name in ("metric", "test") else "right")
    for metric in metrics:
        table.add_row(*_metric_cells(metric), style="" if metric.is_same_scorer else "dim")
    return table


def _metric_cells(metric: PairedMetric) -> Iterator[str]:
    is_rate = metric.kind == "pass_rate"
    yield _shown(metric.metric.label) + ("" if metric.is_same_scorer else " (scorer changed)")
    yield str(metric.difference.rows)
    yield _rate(metric.baseline) if is_rate else _mean(metric.baseline)
    yield _rate(metric.candidate) if is_rate else _mean(metric.candidate)
    yield _difference(metric.difference, is_rate=is_rate)
    yield str(metric.wins)
    yield f"[red]{metric.losses}[/]" if metric.losses else "0"
    yield str(metric.ties)
    is_t = not is_rate and metric.t_p_value is not None
    p_value = metric.t_p_value if is_t and metric.t_p_value is not None else metric.sign_p_value
    yield _p_value(p_value)
    yield "paired t" if is_t else "McNemar" if metric.is_mcnemar else "sign"


def _p_value(p_value: float) -> str:
    text = f"{p_value:.3f}" if p_value >= 0.001 else "<0.001"
    return f"[bold]{text}[/]" if p_value < ALPHA else text


def _rate(estimate: Estimate) -> str:
    low, high = estimate.low or 0.0, estimate.high or 0.0
    return f"{100 * estimate.value:.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def _mean(estimate: Estimate) -> str:
    error = "" if estimate.standard_error is None else f" ± {estimate.standard_error:.3g}"
    return f"{estimate.value:.4g}{error}"


def _difference(estimate: Estimate, *, is_rate: bool) -> str:
    factor = 100 if is_rate else 1
    value = f"{factor * estimate.value:+.1f}" if is_rate else f"{estimate.value:+.3g}"
    if estimate.low is None or estimate.high is None:
        return value
    form = ".1f" if is_rate else ".3g"
    return f"{value} ({factor * estimate.low:{form}} to {factor * estimate.high:{form}})"


def _measurements_table(measurements: Sequence[Measurement]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("a trial")
    for name in ("mean", "p50", "p95", "total", "mean difference", "p (paired t)"):
        table.add_column(name, justify="right")
    for each in measurements:
        if each.baseline or each.candidate:
            cells = (_from_to(each, name) for name in ("mean", "p50", "p95", "total"))
            change = _difference(each.difference, is_rate=False) if each.difference else ""
            table.add_row(_NAMES[each.name], *cells, change, "" if each.t_p_value is None else _p_value(each.t_p_value))
    return table


def _from_to(each: Measurement, name: str) -> str:
    return " → ".join(f"{side[name]:.4g}" if side else "none" for side in (each.baseline, each.candidate))


def _regressions(found: Comparison, contents: Mapping[str, Content], count: int) -> Iterator[str]:
    """The worst rows of every pass rate, or of the other metrics if there is no pass rate."""
    rates = [metric for metric in found.metrics if metric.kind == "pass_rate"]
    for metric in rates or found.metrics:
        if metric.regressions:
            more = f", the worst {count}" if len(metric.regressions) > count else ""
            yield f"\n[bold]{_shown(metric.metric.label)}[/]: {len(metric.regressions)} rows got worse{more}"
        for change in metric.regressions[:count]:
            yield from _row(found, change, contents.get(change.row_digest))


def _row(found: Comparison, change: RowChange, content: Content | None) -> Iterator[str]:
    inputs = shortened(content.inputs) if content else ""
    yield f"  {change.row_digest[:12]}  {change.baseline:.3g} → {change.candidate:.3g}  {_shown(inputs)}"
    for name, run in (("baseline ", found.baseline), ("candidate", found.candidate)):
        for output in content.outputs.get(run.run_id, []) if content else []:
            yield f"    {name}  {_shown(shortened(output))}"


def _flaky(found: Comparison, contents: Mapping[str, Content], count: int) -> Iterator[str]:
    for run in (found.baseline, found.candidate):
        for label, rows in found.flaky_rows[run.run_id].items():
            yield f"\n[bold]{_shown(label)}[/]: {len(rows)} rows whose trials disagree in {_shown(run.label)}"
            for digest in rows[:count]:
                content = contents.get(digest)
                yield f"  {digest[:12]}  {_shown(shortened(content.inputs)) if content else ''}"


def _shown(text: str) -> str:
    """Text from the data, in which neither rich nor a terminal finds anything to obey."""
    return escape(visible(text))


def shown_rows(found: Comparison, count: int) -> set[str]:
    """The rows whose inputs and outputs are shown: those that got worse, and those whose trials disagree."""
    worse = {change.row_digest for metric in found.metrics for change in metric.regressions[:count]}
    flaky = [rows for metrics in found.flaky_rows.values() for rows in metrics.values()]
    return worse.union(*(rows[:count] for rows in flaky))


def shortened(value: Any, length: int = LONGEST_CONTENT) -> str:
    """A JSON value on one line, cut to `length` characters."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[: length - 1]}…"
