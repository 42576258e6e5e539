"""The commands of the command line, each from its options to its exit code."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable

import dlt

from . import check as checks
from .cli import BUSY, DONE, FAILED, MISUSED
from .console import Console
from .demo.show import show_demo
from .destinations import Profile, profile
from .errors import BusyError, SettingsError, WeaveEvalError
from .load import LoadOptions, LoadResult, configured_projects, load_project, plan_project, resolve_settings
from .settings import Settings
from .verify import Findings, verify_project
from .warehouse.status import ProjectStatus, project_statuses

ForProject = Callable[[Console, argparse.Namespace, str | None, Profile], int]
"""What a command does for one project; gives the exit code."""


def load(options: argparse.Namespace) -> int:
    """Loads each project; one that fails does not stop the others."""
    return _for_each_project(options, _load_one)


def _for_each_project(options: argparse.Namespace, run: ForProject) -> int:
    """Runs for each project into the destination that was named; the exit code is the worst that was met."""
    console = Console(is_json=options.json, is_quiet=options.quiet)
    _quieten_dlt()
    try:
        destination = profile(options.destination, dataset=options.dataset)
    except SettingsError as error:
        console.error(str(error))
        return MISUSED
    return _worst(run(console, options, project, destination) for project in _projects(options))


def _projects(options: argparse.Namespace) -> list[str | None]:
    """The projects that were named, else the configured ones; None stands for the one that dlt finds."""
    return list(options.project or configured_projects() or [None])


def _load_one(console: Console, options: argparse.Namespace, project: str | None, destination: Profile) -> int:
    try:
        settings = _settings(options, project)
        if options.dry_run:
            _show_plan(console, settings, destination, is_full=options.full)
            return DONE
        result = _load_with_progress(console, options, settings, destination)
    except WeaveEvalError as error:
        console.error(str(error))
        return exit_code(error)
    return _show_result(console, result)


def _load_with_progress(
    console: Console, options: argparse.Namespace, settings: Settings, destination: Profile
) -> LoadResult:
    with console.progress(settings.project) as progress:
        chosen = LoadOptions(wait_seconds=options.wait, progress=progress, is_full=options.full)
        return load_project(settings, destination, chosen)


def exit_code(error: WeaveEvalError) -> int:
    """The exit code for an error."""
    if isinstance(error, SettingsError):
        return MISUSED
    return BUSY if isinstance(error, BusyError) else FAILED


def _worst(codes: Iterable[int]) -> int:
    """The code to leave with: a failure before a mistake before a held lock."""
    met = set(codes)
    return next((code for code in (FAILED, MISUSED, BUSY) if code in met), DONE)


def _settings(options: argparse.Namespace, project: str | None) -> Settings:
    if options.full and (options.since or options.until or options.run_ids):
        raise SettingsError("--full reads every run; leave out --since, --until and --run.")
    return resolve_settings(
        project=project,
        since=options.since,
        until=options.until,
        run_ids=options.run_ids,
        evaluations=options.evaluation,
        models=options.model,
    )


def _show_result(console: Console, result: LoadResult) -> int:
    console.result(result.as_dict(), _result_text(result))
    return _show_doubts(console, result)


def _result_text(result: LoadResult) -> str:
    report = result.report
    if result.load_ids:
        did = f"read {report.runs_read} of {report.runs_listed} runs and loaded {result.rows} rows"
    else:
        did = f"nothing new in {report.runs_listed} runs"
    where = f"{result.destination} ({result.dataset})"
    requests = result.traffic["requests"]
    return f"{result.project} → {where}: {did}, {requests} requests, {result.seconds:.1f} s"


def _show_doubts(console: Console, result: LoadResult) -> int:
    """Prints the warnings, and the runs that do not reconcile; returns the exit code."""
    for warning in result.report.warnings:
        console.warning(f"{result.project}: {warning}")
    if not result.unreconciled:
        return DONE
    console.error(
        f"{result.project}: {len(result.unreconciled)} runs do not agree with what Weave says of them, also read a "
        f"second time: {', '.join(result.unreconciled[:10])}. The table reconciliations says what differs; "
        "they are read again by verify."
    )
    return FAILED


def verify(options: argparse.Namespace) -> int:
    """Compares each project with the warehouse and repairs what differs; one that fails does not stop the others."""
    return _for_each_project(options, _verify_one)


def _verify_one(console: Console, options: argparse.Namespace, project: str | None, destination: Profile) -> int:
    try:
        settings = resolve_settings(project=project)
        with console.progress(settings.project) as progress:
            chosen = LoadOptions(wait_seconds=options.wait, progress=progress)
            verified = verify_project(settings, destination, chosen, is_dry_run=options.dry_run)
    except WeaveEvalError as error:
        console.error(str(error))
        return exit_code(error)
    findings, repair = verified.findings, verified.repair
    fields, sentence = {**findings.as_dict(), **verified.traffic}, _findings_text(findings, verified.traffic)
    if repair is None or findings.is_clean:
        console.result(fields, sentence)
        return DONE
    console.result({**fields, "repair": repair.as_dict()}, f"{sentence}\n{_result_text(repair)}")
    return _show_doubts(console, repair)


def _findings_text(findings: Findings, traffic: dict[str, int]) -> str:
    lists = {name: len(runs) for name, runs in vars(findings).items() if isinstance(runs, list) and runs}
    differing = ", ".join(f"{count} {name}" for name, count in lists.items()) or "all agree"
    return f"{findings.project}: {findings.runs_listed} runs compared, {differing}, {traffic['requests']} requests"


def _show_plan(console: Console, settings: Settings, destination: Profile, *, is_full: bool) -> None:
    plan = plan_project(settings, destination, LoadOptions(is_full=is_full))
    reasons = ", ".join(f"{count} {reason}" for reason, count in plan.reasons.items()) or "none"
    sentence = (
        f"{plan.project} → {destination.name} ({destination.dataset}): would read {plan.runs_to_read} of "
        f"{plan.runs_listed} runs ({reasons})"
    )
    console.result(plan.as_dict(), sentence)


def check(options: argparse.Namespace) -> int:
    """Checks key, project and destination, and prints what was found."""
    console = Console()
    _quieten_dlt()
    codes = []
    try:
        destination = profile(options.destination, dataset=options.dataset)
        for project in _projects(options):
            settings = resolve_settings(project=project)
            for finding in checks.check(settings, destination):
                console.text(f"{'failed' if finding.error else 'ok':6} {finding.subject}: {finding.text}")
                codes.append(exit_code(finding.error) if finding.error else DONE)
    except SettingsError as error:
        console.error(str(error))
        codes.append(MISUSED)
    return _worst(codes)


def status(options: argparse.Namespace) -> int:
    """Prints what the warehouse holds of each project."""
    console = Console(is_json=options.json)
    _quieten_dlt()
    try:
        destination = profile(options.destination, dataset=options.dataset)
        found = project_statuses(destination)
    except WeaveEvalError as error:
        console.error(str(error))
        return exit_code(error)
    if not found and not options.json:
        console.text(f"{destination.name} ({destination.dataset}) holds no project yet.")
    for one in found:
        console.answer(one.as_dict(), _status_text(one))
    return DONE


def _status_text(status: ProjectStatus) -> str:
    shown = status.as_dict()
    runs = ", ".join(f"{count} {name}" for name, count in sorted(status.runs.items())) or "no runs"
    parts = [
        f"{status.project}: {runs}",
        f"last run finished {shown['last_run_finished_at'] or 'never'}",
        f"last load {shown['last_loaded_at'] or 'never'}",
        f"last sync {shown['last_synced_at'] or 'never'}",
    ]
    parts += [f"{status.deleted_runs} deleted in Weave"] if status.deleted_runs else []
    parts += [f"{status.unreconciled_runs} not reconciled"] if status.unreconciled_runs else []
    parts += [f"last error: {status.last_error}"] if status.last_error else []
    return "; ".join(parts)


def demo(options: argparse.Namespace) -> int:
    """Loads the recorded project and shows what is in the tables."""
    _quieten_dlt()
    console = Console()
    try:
        return show_demo(console, profile(options.destination, dataset=options.dataset))
    except WeaveEvalError as error:
        console.error(str(error))
        return exit_code(error)


def _quieten_dlt() -> None:
    """Leaves dlt's own log to errors, unless it was configured; what a user needs to know is printed here."""
    if dlt.config.get("runtime.log_level") is None:
        dlt.config["runtime.log_level"] = "ERROR"
