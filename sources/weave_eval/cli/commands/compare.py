"""`weave-eval compare`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from ...errors import SettingsError
from ..command import Command
from ..console import Console, json_text
from ..exit_codes import DONE
from ..options import add_json
from ..run_source import add_run_source, run_source

if TYPE_CHECKING:
    from ...judging.comparison import Comparison
    from ...judging.run_results import RunSource

_EXAMPLES = """\
  weave-eval compare 01a20897-e0b5 01a20897-e1ec
  weave-eval compare latest:support-bot-v1 latest:support-bot-v2 --metric correct
  weave-eval compare latest:support-bot-v1 0199d9a4 --from-api --project my-team/my-project
"""


def _add_options(parser: ArgumentParser) -> None:
    run_help = "its id, the start of its id, or latest:MODEL"
    parser.add_argument("baseline", metavar="RUN_A", help=f"the run to compare with: {run_help}")
    parser.add_argument("candidate", metavar="RUN_B", help="the run to compare, given in the same way")
    add_run_source(parser)
    parser.add_argument(
        "--count-errors-as",
        choices=("failures", "ignored"),
        default="failures",
        help="how to count trials that failed before they were scored (default: failures)",
    )
    parser.add_argument(
        "--metric", action="append", default=[], metavar="NAME", help="only this metric; may be repeated"
    )
    parser.add_argument(
        "--lower-is-better",
        action="append",
        default=[],
        metavar="METRIC",
        help="a metric of which less is better; may be repeated",
    )
    parser.add_argument(
        "--rows", type=int, default=5, metavar="N", help="show at most N rows of each kind (default: 5)"
    )
    add_json(parser)


def _run(console: Console, options: Namespace) -> int:
    """Compares two runs row by row and prints the differences."""
    from ..comparison_text import comparison_text, shown_rows

    with run_source(options) as source:
        found = _compare(source, options)
        contents = source.contents([found.baseline, found.candidate], shown_rows(found, options.rows))
    if options.json:
        shown = {digest: {"inputs": each.inputs, "outputs": each.outputs} for digest, each in contents.items()}
        console.text(json_text({**found.as_dict(), "contents": shown}))
    else:
        console.drawn(comparison_text(found, contents, options.rows))
    return DONE


def _compare(source: RunSource, options: Namespace) -> Comparison:
    from ...judging.comparison import compare, without_other_metrics
    from ...judging.run_names import find_pair

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
        raise SettingsError(f"The two runs have no metric {', '.join(unknown)} to compare. They have: {known}.")
    return without_other_metrics(found, options.metric) if options.metric else found


COMMAND = Command("compare", "compare two runs row by row", _EXAMPLES, _add_options, _run)
