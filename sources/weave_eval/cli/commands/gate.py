"""`weave-eval gate`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from ...errors import BusyError, SettingsError, WeaveEvalError
from ...judging.decision_reports import junit, markdown
from ...judging.judging import Decision, judge
from ...judging.rules import Rules, parse_rules
from ...judging.run_names import find_pair, find_run
from ...judging.run_results import Content, RunSource
from ...loading.gate_record import record_decision
from ...loading.pipelines import lock_path
from ...times import utc_now
from ...warehouse.failures import destination_errors
from ...warehouse.file_in_use import busy_if_in_use
from ...warehouse.locks import load_lock
from ...warehouse.profiles import Profile
from ..console import Console, quieten_libraries, visible
from ..program import BUSY, DONE, FAILED, MISUSED
from .comparison_view import shortened
from .run_source import named_destination, run_source

EXIT_CODES = {"passed": DONE, "blocked": FAILED, "not_judged": MISUSED}
_MARKS = {"passed": "passed", "failed": "FAILED", "not_judged": "not judged"}
_MOST_ROWS = 5


def run(options: argparse.Namespace) -> int:
    """Judges a run by the rules of a file; what keeps it from being judged is no pass."""
    console = Console(is_json=options.json)
    quieten_libraries()
    try:
        rules = _read_rules(Path(options.rules))
        destination = _record_in(options)
        with _lock(destination, options.wait):
            return _gate(console, options, rules, destination)
    except WeaveEvalError as error:
        console.error(str(error))
        return BUSY if isinstance(error, BusyError) else MISUSED


def _gate(console: Console, options: argparse.Namespace, rules: Rules, destination: Profile | None) -> int:
    with run_source(options) as source:
        decision, contents = _decide(source, options, rules)
    fields = decision.as_dict()
    if options.junit:
        _write(options.junit, junit(decision))
    if options.markdown:
        _write(options.markdown, markdown(decision))
    try:
        if destination:
            fields["decision_id"] = _record(destination, decision, options)
    finally:
        console.answer(fields, _text(decision, contents))
    return EXIT_CODES[decision.answer]


def _decide(source: RunSource, options: argparse.Namespace, rules: Rules) -> tuple[Decision, Mapping[str, Content]]:
    """The decision, and what the rows that broke a rule hold."""
    baseline = None
    if options.baseline:
        before, after = find_pair(source, options.baseline, options.run, options.evaluation)
        baseline = source.results(before)
    else:
        after = find_run(source, options.run, options.evaluation)
    decision = judge(rules, source.results(after), baseline)
    digests = [digest for check in decision.checks if check.outcome == "failed" for digest in check.row_digests]
    return decision, source.contents([decision.run], digests)


def _read_rules(path: Path) -> Rules:
    try:
        return parse_rules(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"The rules in {path} cannot be read: {error}.") from None


def _record_in(options: argparse.Namespace) -> Profile | None:
    """Where the decision is recorded: nowhere if that is not wanted, or if no warehouse is spoken of."""
    if options.no_record or (options.from_api and not options.destination):
        return None
    return named_destination(options)


def _lock(destination: Profile | None, wait_seconds: float) -> AbstractContextManager[None]:
    """The lock of a DuckDB file, which one program at a time can write to; other warehouses take a row any time."""
    if destination is None or destination.type != "duckdb":
        return nullcontext()
    with destination_errors(destination):
        location = destination.location()
    return load_lock(lock_path(location, ""), "recording a gate's decision", wait_seconds)


def _record(destination: Profile, decision: Decision, options: argparse.Namespace) -> str:
    with busy_if_in_use(destination):
        return record_decision(destination, decision, utc_now(), "api" if options.from_api else "warehouse")


def _write(name: str, text: str) -> None:
    """Writes a file; GitHub's summary of a step is added to. Raises `SettingsError`."""
    try:
        is_summary = name == os.environ.get("GITHUB_STEP_SUMMARY")
        with Path(name).open("a" if is_summary else "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise SettingsError(f"{name} cannot be written: {error}.") from None


def _text(decision: Decision, contents: Mapping[str, Any]) -> str:
    baseline = f", compared with {decision.baseline.label}" if decision.baseline else ""
    lines = [f"{decision.run.label}{baseline}"]
    for check in decision.checks:
        lines.append(f"  {_MARKS[check.outcome]:10}  {check.text}")
        shown = check.row_digests[:_MOST_ROWS] if check.outcome == "failed" else ()
        lines += [f"              {digest[:12]}  {shortened(contents[digest].inputs)}" for digest in shown]
    lines += [f"  note        {note}" for note in (*_power(decision), *decision.notes)]
    summary = decision.reason if not decision.checks else _counts(decision)
    return "\n".join(visible(line) for line in [*lines, f"{decision.answer.replace('_', ' ')}: {summary}"])


def _power(decision: Decision) -> list[str]:
    """The smallest changes that so many rows show, of what was compared with a baseline."""
    return [
        f"{check.rows} rows show a change of {check.rule} by {check.detectable:.3g} in four cases out of five."
        for check in decision.checks
        if check.detectable is not None and check.bound in ("max_drop", "max_rise")
    ]


def _counts(decision: Decision) -> str:
    counts = {mark: sum(check.outcome == outcome for check in decision.checks) for outcome, mark in _MARKS.items()}
    return ", ".join(f"{count} {mark.lower()}" for mark, count in counts.items() if count)
