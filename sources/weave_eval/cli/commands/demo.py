"""`weave-eval demo`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from ..command import Command
from ..console import Console
from ..options import add_destination, chosen_destination

_EXAMPLES = """\
  weave-eval demo
"""


def _add_options(parser: ArgumentParser) -> None:
    add_destination(parser, default="duckdb")


def _run(console: Console, options: Namespace) -> int:
    """Loads the recorded project and shows what is in the tables."""
    from ...demo.show import show_demo

    return show_demo(console, chosen_destination(options))


COMMAND = Command(
    "demo", "load a recorded project into a DuckDB file; no account needed", _EXAMPLES, _add_options, _run
)
