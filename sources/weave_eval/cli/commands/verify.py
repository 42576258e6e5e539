"""`weave-eval verify`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from ..command import Command
from ..console import Console
from ..exit_codes import DONE, FAILED
from ..options import add_confirmations, add_destination, add_json, add_projects, add_quiet, add_wait, confirmations

if TYPE_CHECKING:
    from ...loading.verify import Findings
    from ...warehouse.profiles import Profile

_EXAMPLES = """\
  weave-eval verify --project my-team/my-project --dry-run
  weave-eval verify --project my-team/my-project --destination postgres
"""


def _add_options(parser: ArgumentParser) -> None:
    add_projects(parser)
    add_destination(parser)
    parser.add_argument(
        "--dry-run", action="store_true", help="report the differences without repairing them (exit code 1 if any)"
    )
    add_confirmations(parser)
    add_wait(parser)
    add_json(parser, "print JSON, one object per project")
    add_quiet(parser)


def _run(console: Console, options: Namespace) -> int:
    """Compares each project with the warehouse and repairs it; a project that fails does not stop the others."""
    from ..projects import for_each_project

    return for_each_project(console, options, _verify)


def _verify(console: Console, options: Namespace, project: str | None, destination: Profile) -> int:
    from ...loading.load import LoadOptions
    from ...loading.verify import verify_project
    from ...settings import resolve_settings
    from ..load_text import load_text, show_doubts

    settings = resolve_settings(project=project, **confirmations(options))
    with console.progress(settings.project) as progress:
        chosen = LoadOptions(wait_seconds=options.wait, progress=progress)
        verified = verify_project(settings, destination, chosen, is_dry_run=options.dry_run)
    findings, repair = verified.findings, verified.repair
    fields, sentence = {**findings.as_dict(), **verified.traffic}, _text(findings, verified.traffic)
    if repair is None or findings.is_clean:
        console.result(fields, sentence)
        return DONE if findings.is_clean else _show_unrepaired(console, findings)
    console.result({**fields, "repair": repair.as_dict()}, f"{sentence}\n{load_text(repair)}")
    return show_doubts(console, repair)


def _show_unrepaired(console: Console, findings: Findings) -> int:
    console.error(f"{findings.project}: the warehouse differs from Weave. Run verify without --dry-run to repair it.")
    return FAILED


def _text(findings: Findings, traffic: dict[str, int]) -> str:
    lists = {name: len(runs) for name, runs in vars(findings).items() if isinstance(runs, list) and runs}
    differing = ", ".join(f"{count} {name}" for name, count in lists.items()) or "all agree"
    return f"{findings.project}: {findings.runs_listed} runs compared, {differing}, {traffic['requests']} requests"


COMMAND = Command(
    "verify", "compare all runs with the warehouse and repair it", _EXAMPLES, _add_options, _run, leaves="rows"
)
