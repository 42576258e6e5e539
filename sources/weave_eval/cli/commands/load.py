"""`weave-eval load`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from ...errors import SettingsError
from ..command import Command
from ..console import Console
from ..exit_codes import DONE
from ..options import add_confirmations, add_destination, add_json, add_projects, add_quiet, add_wait, confirmations

if TYPE_CHECKING:
    from ...loading.outcome import LoadResult
    from ...settings import Settings
    from ...warehouse.profiles import Profile

_EXAMPLES = """\
  weave-eval load --project my-team/my-project
  weave-eval load --project my-team/a --project my-team/b --destination postgres
  weave-eval load --project my-team/a --since 2026-10-01 --until 2026-11-01
  weave-eval load --project my-team/a --run 0199d9a4-7bb5-7d46-8f31-5c2f6a0c7a11
"""


def _add_options(parser: ArgumentParser) -> None:
    add_projects(parser)
    add_destination(parser)
    parser.add_argument("--since", metavar="TIME", help="read the runs started at or after TIME (ISO 8601, UTC)")
    parser.add_argument("--until", metavar="TIME", help="read the runs started before TIME (ISO 8601, UTC)")
    parser.add_argument("--run", action="append", metavar="ID", dest="run_ids", help="read this run; may be repeated")
    parser.add_argument("--evaluation", action="append", metavar="NAME", help="only runs of this evaluation (or ref)")
    parser.add_argument("--model", action="append", metavar="NAME", help="only runs of this model (or ref)")
    parser.add_argument("--full", action="store_true", help="read every run again, and remove runs that are gone")
    parser.add_argument("--dry-run", action="store_true", help="show what would be read, without reading it")
    add_confirmations(parser)
    add_wait(parser)
    add_json(parser, "print JSON, one object per project")
    add_quiet(parser)


def _run(console: Console, options: Namespace) -> int:
    """Loads each project; a project that fails does not stop the others."""
    from ..projects import for_each_project

    return for_each_project(console, options, _load)


def _load(console: Console, options: Namespace, project: str | None, destination: Profile) -> int:
    from ..load_text import show_load

    settings = _settings(options, project)
    if options.dry_run:
        return _show_plan(console, options, settings, destination)
    return show_load(console, _load_with_progress(console, options, settings, destination))


def _settings(options: Namespace, project: str | None) -> Settings:
    from ...settings import resolve_settings

    if options.full and (options.since or options.until or options.run_ids):
        raise SettingsError("--full reads every run; leave out --since, --until and --run.")
    return resolve_settings(
        project=project,
        since=options.since,
        until=options.until,
        run_ids=options.run_ids,
        evaluations=options.evaluation,
        models=options.model,
        **confirmations(options),
    )


def _load_with_progress(console: Console, options: Namespace, settings: Settings, destination: Profile) -> LoadResult:
    from ...loading.load import LoadOptions, load_project

    with console.progress(settings.project) as progress:
        chosen = LoadOptions(wait_seconds=options.wait, progress=progress, is_full=options.full)
        return load_project(settings, destination, chosen)


def _show_plan(console: Console, options: Namespace, settings: Settings, destination: Profile) -> int:
    from ...loading.load import LoadOptions, plan_project

    plan = plan_project(settings, destination, LoadOptions(is_full=options.full))
    reasons = ", ".join(f"{count} {reason}" for reason, count in plan.reasons.items()) or "none"
    sentence = (
        f"{plan.project} → {destination.name} ({destination.dataset}): would read {plan.runs_to_read} of "
        f"{plan.runs_listed} runs ({reasons})"
    )
    console.result(plan.as_dict(), sentence)
    return DONE


COMMAND = Command("load", "load what is new or changed in a project", _EXAMPLES, _add_options, _run, leaves="rows")
