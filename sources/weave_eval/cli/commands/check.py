"""`weave-eval check`."""

from __future__ import annotations

import argparse
from functools import partial

from ...loading.check import check
from ...warehouse.profiles import profile
from ..console import Console, quieten_libraries
from ..program import DONE
from .exit_code import exit_code, worst
from .projects import named_projects


def run(options: argparse.Namespace) -> int:
    """Checks settings, key, projects and destination, and prints what was found."""
    console = Console()
    quieten_libraries()
    codes = []
    for finding in check(named_projects(options), partial(profile, options.destination, dataset=options.dataset)):
        console.text(f"{'failed' if finding.error else 'ok':6} {finding.subject}: {finding.text}")
        codes.append(exit_code(finding.error) if finding.error else DONE)
    return worst(codes)
