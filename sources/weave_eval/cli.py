"""`weave-eval`: the command line.

Exit codes: 0 done, 1 a project failed (the others are loaded), 2 usage or configuration, 75 another load holds the
lock, 130 interrupted, 143 terminated.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

DONE, FAILED, MISUSED, BUSY, INTERRUPTED, TERMINATED = 0, 1, 2, 75, 130, 143

_LOAD_EXAMPLES = """examples:
  weave-eval load --project my-team/my-project
  weave-eval load --project my-team/a --project my-team/b --destination postgres
  weave-eval load --project my-team/a --since 2026-10-01 --until 2026-11-01
  weave-eval load --project my-team/a --run 0199d9a4-7bb5-7d46-8f31-5c2f6a0c7a11
"""
_CHECK_EXAMPLES = """examples:
  weave-eval check --project my-team/my-project
  weave-eval check --project my-team/my-project --destination postgres
"""
_VERIFY_EXAMPLES = """examples:
  weave-eval verify --project my-team/my-project --dry-run
  weave-eval verify --project my-team/my-project --destination postgres
"""
_STATUS_EXAMPLES = """examples:
  weave-eval status
  weave-eval status --destination postgres --json
"""
_DEMO_EXAMPLES = """examples:
  weave-eval demo
"""


class _Terminated(BaseException):
    """SIGTERM arrived."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code. What a command needs is imported only when it runs."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _terminate)
    try:
        commands = import_module(".commands", __package__)
        return int(getattr(commands, options.command)(options))
    except KeyboardInterrupt:
        return _leave("interrupted", INTERRUPTED)
    except _Terminated:
        return _leave("terminated", TERMINATED)


def _terminate(number: int, frame: object) -> NoReturn:  # noqa: ARG001
    raise _Terminated


def _leave(how: str, code: int) -> NoReturn:
    """Ends the process at once: an orderly exit would wait for the answers that are still on their way."""
    sys.stderr.write(f"{how}: what was loaded stays, and the next load goes on from there.\n")
    sys.stderr.flush()
    sys.stdout.flush()
    os._exit(code)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="weave-eval",
        description="Loads W&B Weave evaluations into DuckDB, Postgres, BigQuery or Snowflake.",
        epilog="Run `weave-eval COMMAND --help` for the options and examples of a command.",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    load = _command(commands, "load", "load what is new or changed in a project", _LOAD_EXAMPLES)
    _add_projects(load)
    _add_destination(load)
    _add_range(load)
    _add_output(load)
    verify = _command(commands, "verify", "compare all runs with the warehouse and repair it", _VERIFY_EXAMPLES)
    _add_projects(verify)
    _add_destination(verify)
    verify.add_argument("--dry-run", action="store_true", help="say what differs, and repair nothing")
    _add_wait(verify)
    _add_output(verify)
    check = _command(commands, "check", "check key, project and destination without loading", _CHECK_EXAMPLES)
    _add_projects(check)
    _add_destination(check)
    status = _command(commands, "status", "show what a warehouse holds of each project", _STATUS_EXAMPLES)
    _add_destination(status)
    status.add_argument("--json", action="store_true", help="print JSON, one object a project")
    demo = _command(commands, "demo", "load a recorded project into a DuckDB file; no account needed", _DEMO_EXAMPLES)
    _add_destination(demo)
    return parser


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    text: str,
    examples: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=name)
    return parser


def _add_projects(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--project",
        action="append",
        default=[],
        metavar="ENTITY/PROJECT",
        help="Weave project; may be repeated (default: the configured one)",
    )


def _add_destination(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--destination", default="duckdb", metavar="PROFILE", help="profile of destinations.toml (default: duckdb)"
    )
    parser.add_argument("--dataset", metavar="NAME", help="dataset to use instead of the profile's")


def _add_range(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--since", metavar="TIME", help="read the runs started at or after TIME (ISO 8601, UTC)")
    parser.add_argument("--until", metavar="TIME", help="read the runs started before TIME (ISO 8601, UTC)")
    parser.add_argument("--run", action="append", metavar="ID", dest="run_ids", help="read this run; may be repeated")
    parser.add_argument("--evaluation", action="append", metavar="NAME", help="only runs of this evaluation (or ref)")
    parser.add_argument("--model", action="append", metavar="NAME", help="only runs of this model (or ref)")
    parser.add_argument("--full", action="store_true", help="read every run again, and remove runs that are gone")
    parser.add_argument("--dry-run", action="store_true", help="say what would be read, and read nothing")
    _add_wait(parser)


def _add_wait(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--wait", type=float, default=0.0, metavar="SECONDS", help="wait for another load to end")


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON, one object a project")
    parser.add_argument("--quiet", action="store_true", help="print only warnings and errors")
