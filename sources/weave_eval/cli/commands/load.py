"""`weave-eval load`."""

from __future__ import annotations

import argparse

from ...errors import SettingsError
from ...loading.load import LoadOptions, LoadResult, load_project, plan_project, resolve_settings
from ...settings import Settings
from ...warehouse.profiles import Profile
from ..console import Console
from ..program import DONE
from .projects import for_each_project
from .result import show_result


def run(options: argparse.Namespace) -> int:
    """Loads each project; one that fails does not stop the others."""
    return for_each_project(options, _load_one)


def _load_one(console: Console, options: argparse.Namespace, project: str | None, destination: Profile) -> int:
    settings = _settings(options, project)
    if options.dry_run:
        _show_plan(console, settings, destination, is_full=options.full)
        return DONE
    return show_result(console, _load_with_progress(console, options, settings, destination))


def _load_with_progress(
    console: Console, options: argparse.Namespace, settings: Settings, destination: Profile
) -> LoadResult:
    with console.progress(settings.project) as progress:
        chosen = LoadOptions(wait_seconds=options.wait, progress=progress, is_full=options.full)
        return load_project(settings, destination, chosen)


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


def _show_plan(console: Console, settings: Settings, destination: Profile, *, is_full: bool) -> None:
    plan = plan_project(settings, destination, LoadOptions(is_full=is_full))
    reasons = ", ".join(f"{count} {reason}" for reason, count in plan.reasons.items()) or "none"
    sentence = (
        f"{plan.project} → {destination.name} ({destination.dataset}): would read {plan.runs_to_read} of "
        f"{plan.runs_listed} runs ({reasons})"
    )
    console.result(plan.as_dict(), sentence)
