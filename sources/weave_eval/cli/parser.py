"""The parser of the command line, made of what the commands declare."""

from __future__ import annotations

import sys
from argparse import Action, ArgumentParser, RawDescriptionHelpFormatter
from typing import Any, NoReturn

from .command import Command
from .commands import COMMANDS


def parser() -> ArgumentParser:
    """The parser of the command line: the options it gives have the `Command` as `command`."""
    made = ArgumentParser(
        prog="weave-eval",
        description="Loads W&B Weave evaluations into DuckDB, Postgres, BigQuery or Snowflake.",
        epilog="Run `weave-eval COMMAND --help` for the options and examples of a command.",
    )
    made.add_argument("--version", action=_ShowVersion, nargs=0, help="show the versions of weave-eval and dlt")
    subparsers = made.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        _add(subparsers, command)
    return made


def _add(subparsers: Any, command: Command) -> None:
    made = subparsers.add_parser(
        command.name,
        help=command.help,
        description=f"{command.help[0].upper()}{command.help[1:]}.",
        epilog=f"examples:\n{command.examples}",
        formatter_class=RawDescriptionHelpFormatter,
    )
    made.set_defaults(command=command, json=False, quiet=False)
    command.add_options(made)


class _ShowVersion(Action):
    """Prints the versions and ends the process."""

    def __call__(self, parser: ArgumentParser, *_: Any) -> NoReturn:
        from importlib.metadata import version

        sys.stdout.write(f"weave-eval {version('weave-eval')} (dlt {version('dlt')})\n")
        parser.exit()
