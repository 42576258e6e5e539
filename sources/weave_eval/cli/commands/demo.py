"""`weave-eval demo`."""

from __future__ import annotations

import argparse

from ...demo.show import show_demo
from ...errors import WeaveEvalError
from ...warehouse.profiles import profile
from ..console import Console, quieten_libraries
from .exit_code import exit_code


def run(options: argparse.Namespace) -> int:
    """Loads the recorded project and shows what is in the tables."""
    quieten_libraries()
    console = Console()
    try:
        return show_demo(console, profile(options.destination, dataset=options.dataset))
    except WeaveEvalError as error:
        console.error(str(error))
        return exit_code(error)
