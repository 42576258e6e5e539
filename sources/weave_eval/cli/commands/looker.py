"""`weave-eval looker`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from ..command import Command
from ..console import Console
from ..folder import add_folder, write_folder
from ..options import chosen_destination

_EXAMPLES = """\
  weave-eval looker --connection warehouse --out looker/ --destination snowflake
"""


def _add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--connection", required=True, metavar="NAME", help="name of the connection in Looker")
    add_folder(parser)


def _run(console: Console, options: Namespace) -> int:
    """Writes a LookML project for the tables and views of a destination."""
    from ...catalogue.looker.project import lookml_project

    return write_folder(console, options.out, lookml_project(options.connection, chosen_destination(options)))


COMMAND = Command("looker", "write LookML: views, explores and a dashboard", _EXAMPLES, _add_options, _run)
