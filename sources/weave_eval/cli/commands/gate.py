"""`weave-eval gate`."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import BusyError, SettingsError, WeaveEvalError
from ..command import Command
from ..console import Console
from ..exit_codes import BUSY, DONE, FAILED, MISUSED
from ..options import add_json, add_wait, chosen_destination
from ..run_source import add_run_source, run_source

if TYPE_CHECKING:
    from ...judging.gate import Decision
    from ...judging.rules import Rules
    from ...judging.run_results import Content, RunFacts, RunResults, RunSource
    from ...warehouse.profiles import Profile

_EXAMPLES = """\
  weave-eval gate --run 0199d9a4 --baseline latest:support-bot --rules gate.toml
  weave-eval gate --run latest:support-bot --rules gate.toml --from-api --project my-team/my-project
  weave-eval gate --run 0199d9a4 --rules gate.toml --junit gate.xml --markdown "$GITHUB_STEP_SUMMARY"

exit codes: 0 passed, 1 blocked, 2 cannot be judged, 75 the warehouse is busy
"""

EXIT_CODES = {"passed": DONE, "blocked": FAILED, "not_judged": MISUSED}


def _add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--run", required=True, help="the run to judge: its id, the start of its id, or latest:MODEL")
    parser.add_argument("--baseline", metavar="RUN", help="the run to compare it with, given in the same way")
    parser.add_argument("--rules", required=True, metavar="FILE", help="TOML file with the rules")
    parser.add_argument(
        "--last-completed",
        action="store_true",
        help="with latest:MODEL, judge the newest run that completed, although a newer one failed or still runs",
    )
    add_run_source(parser)
    parser.add_argument("--no-record", action="store_true", help="do not record the decision in gate_decisions")
    parser.add_argument("--junit", metavar="FILE", help="write the checks as JUnit XML")
    parser.add_argument("--markdown", metavar="FILE", help="write a summary in Markdown, such as $GITHUB_STEP_SUMMARY")
    add_json(parser)
    add_wait(parser)


def _run(console: Console, options: Namespace) -> int:
    """Judges a run by the rules of a file. A run that cannot be judged does not pass."""
    rules = _read_rules(Path(options.rules))
    destination = _recording_destination(options)
    with _lock(destination, options.wait):
        return _gate(console, options, rules, destination)


def _exit_code(error: WeaveEvalError) -> int:
    return BUSY if isinstance(error, BusyError) else MISUSED


def _gate(console: Console, options: Namespace, rules: Rules, destination: Profile | None) -> int:
    from ..decision_text import decision_text

    with run_source(options) as source:
        decision, contents = _decide(console, source, options, rules)
    fields = decision.as_dict()
    _write_reports(decision, options)
    try:
        if destination:
            fields["decision_id"] = _record(destination, decision, options)
    finally:
        console.answer(fields, decision_text(decision, contents))
    return EXIT_CODES[decision.verdict]


def _decide(
    console: Console, source: RunSource, options: Namespace, rules: Rules
) -> tuple[Decision, Mapping[str, Content]]:
    """The decision, and the contents of the rows that broke a rule."""
    from ...judging.gate import judge
    from ...judging.run_names import find_pair, find_run, newer_runs

    baseline = None
    if options.baseline:
        before, after = find_pair(source, options.baseline, options.run, options.evaluation)
        baseline = source.results(before)
    else:
        after = find_run(source, options.run, options.evaluation)
    _pass_over(console, options, newer_runs(source, options.run, after, options.evaluation or _evaluation_of(baseline)))
    decision = judge(rules, source.results(after), baseline)
    digests = [digest for check in decision.checks if check.outcome == "failed" for digest in check.row_digests]
    return decision, source.contents([decision.run], digests)


def _evaluation_of(results: RunResults | None) -> str | None:
    return results.run.evaluation_name if results else None


def _pass_over(console: Console, options: Namespace, newer: Sequence[RunFacts]) -> None:
    """Says which newer runs are not judged. Raises `SettingsError` unless that is wanted."""
    from ...judging.comparability import ending

    if not newer:
        return
    newest = newer[0]
    text = f"{options.run} leaves out a newer run, {newest.label} ({newest.run_id}), which {ending(newest)}"
    if not options.last_completed:
        raise SettingsError(
            f"{text}. Nothing was judged. Judge it by its id, or give --last-completed to judge the one before."
        )
    console.warning(f"{text}.")


def _read_rules(path: Path) -> Rules:
    from ...judging.rules import parse_rules

    try:
        return parse_rules(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"The rules in {path} cannot be read: {error}.") from None


def _recording_destination(options: Namespace) -> Profile | None:
    """Where to record the decision: nowhere if not wanted, or if no warehouse is involved."""
    if options.no_record or (options.from_api and not options.destination):
        return None
    return chosen_destination(options)


def _lock(destination: Profile | None, wait_seconds: float) -> AbstractContextManager[None]:
    """The lock of a warehouse that is a file; others need none."""
    from ...loading.pipelines import lock_path
    from ...warehouse.failures import destination_errors
    from ...warehouse.locks import load_lock

    if destination is None or not destination.warehouse.is_file:
        return nullcontext()
    with destination_errors(destination):
        location = destination.location()
    return load_lock(lock_path(location, ""), "recording a gate's decision", wait_seconds)


def _record(destination: Profile, decision: Decision, options: Namespace) -> str:
    from ...loading.records import record_decision
    from ...times import utc_now
    from ...warehouse.failures import busy_if_in_use

    with busy_if_in_use(destination, "The decision was not recorded"):
        return record_decision(destination, decision, utc_now(), "api" if options.from_api else "warehouse")


def _write_reports(decision: Decision, options: Namespace) -> None:
    from ...judging.decision_reports import junit, markdown

    if options.junit:
        _write(options.junit, junit(decision))
    if options.markdown:
        _write(options.markdown, markdown(decision))


def _write(name: str, text: str) -> None:
    """Writes a file, or appends to it if it is GitHub's summary of a step. Raises `SettingsError`."""
    try:
        is_summary = name == os.environ.get("GITHUB_STEP_SUMMARY")
        with Path(name).open("a" if is_summary else "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise SettingsError(f"{name} cannot be written: {error}.") from None


COMMAND = Command(
    "gate", "judge a run by rules, and fail if it breaks one", _EXAMPLES, _add_options, _run, _exit_code, "decision"
)
