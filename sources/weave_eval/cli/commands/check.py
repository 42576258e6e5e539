"""`weave-eval check`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from functools import partial

from ..command import Command
from ..console import Console
from ..exit_codes import DONE, exit_code, worst
from ..options import add_destination, add_projects, chosen_destination, chosen_projects

_EXAMPLES = """\
  weave-eval check --project my-team/my-project
  weave-eval check --project my-team/my-project --destination postgres
"""


def _add_options(parser: ArgumentParser) -> None:
    add_projects(parser)
    add_destination(parser)


def _run(console: Console, options: Namespace) -> int:
    """Checks settings, key, projects and destination, and prints the findings."""
    from ...loading.check import check

    codes = []
    for finding in check(chosen_projects(options), partial(chosen_destination, options)):
        console.text(f"{'failed' if finding.error else 'ok':6} {finding.subject}: {finding.text}")
        codes.append(exit_code(finding.error) if finding.error else DONE)
    return worst(codes)


COMMAND = Command("check", "check key, project and destination without loading", _EXAMPLES, _add_options, _run)
