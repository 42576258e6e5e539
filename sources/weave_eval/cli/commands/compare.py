"""`weave-eval compare`."""

from __future__ import annotations

import argparse
import json

from ...errors import SettingsError, WeaveEvalError
from ...judging.comparison import Comparison, compare, without_other_metrics
from ...judging.run_names import find_pair
from ...judging.run_results import RunSource
from ..console import Console, quieten_libraries
from ..program import DONE
from .comparison_view import print_comparison
from .exit_code import exit_code
from .run_source import run_source


def run(options: argparse.Namespace) -> int:
    """Compares two runs row by row and prints what differs."""
    console = Console(is_json=options.json)
    quieten_libraries()
    try:
        with run_source(options) as source:
            found = _compare(source, options)
            contents = source.contents([found.baseline, found.candidate], shown_rows(found, options.rows))
    except WeaveEvalError as error:
        console.error(str(error))
        return exit_code(error)
    if options.json:
        shown = {digest: {"inputs": each.inputs, "outputs": each.outputs} for digest, each in contents.items()}
        console.text(json.dumps({**found.as_dict(), "contents": shown}, ensure_ascii=False))
    else:
        print_comparison(found, contents, options.rows)
    return DONE


def _compare(source: RunSource, options: argparse.Namespace) -> Comparison:
    baseline, candidate = find_pair(source, options.baseline, options.candidate, options.evaluation)
    found = compare(
        source.results(baseline),
        source.results(candidate),
        errors_as=options.count_errors_as,
        lower_is_better=options.lower_is_better,
    )
    labels = [metric.metric.label for metric in found.metrics]
    unknown = sorted({*options.metric, *options.lower_is_better}.difference(labels))
    if unknown:
        known = ", ".join(labels) or "none"
        raise SettingsError(f"The two runs have no metric {', '.join(unknown)} to compare; they have: {known}.")
    return without_other_metrics(found, options.metric) if options.metric else found


def shown_rows(found: Comparison, count: int) -> set[str]:
    """The rows whose inputs and outputs are shown: those that got worse, and those whose trials disagree."""
    worse = {change.row_digest for metric in found.metrics for change in metric.regressions[:count]}
    flaky = [rows for metrics in found.flaky_rows.values() for rows in metrics.values()]
    return worse.union(*(rows[:count] for rows in flaky))
