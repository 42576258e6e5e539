"""`weave-eval verify`."""

from __future__ import annotations

import argparse

from ...loading.load import LoadOptions, resolve_settings
from ...loading.verify import Findings, verify_project
from ...warehouse.profiles import Profile
from ..console import Console
from ..program import DONE, FAILED
from .projects import for_each_project
from .result import result_text, show_doubts


def run(options: argparse.Namespace) -> int:
    """Compares each project with the warehouse and repairs what differs; one that fails does not stop the others."""
    return for_each_project(options, _verify_one)


def _verify_one(console: Console, options: argparse.Namespace, project: str | None, destination: Profile) -> int:
    settings = resolve_settings(project=project)
    with console.progress(settings.project) as progress:
        chosen = LoadOptions(wait_seconds=options.wait, progress=progress)
        verified = verify_project(settings, destination, chosen, is_dry_run=options.dry_run)
    findings, repair = verified.findings, verified.repair
    fields, sentence = {**findings.as_dict(), **verified.traffic}, _findings_text(findings, verified.traffic)
    if repair is None or findings.is_clean:
        console.result(fields, sentence)
        return DONE if findings.is_clean else _show_unrepaired(console, findings)
    console.result({**fields, "repair": repair.as_dict()}, f"{sentence}\n{result_text(repair)}")
    return show_doubts(console, repair)


def _show_unrepaired(console: Console, findings: Findings) -> int:
    console.error(f"{findings.project}: the warehouse differs from Weave. Run verify without --dry-run to repair it.")
    return FAILED


def _findings_text(findings: Findings, traffic: dict[str, int]) -> str:
    lists = {name: len(runs) for name, runs in vars(findings).items() if isinstance(runs, list) and runs}
    differing = ", ".join(f"{count} {name}" for name, count in lists.items()) or "all agree"
    return f"{findings.project}: {findings.runs_listed} runs compared, {differing}, {traffic['requests']} requests"
