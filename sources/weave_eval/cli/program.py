"""`weave-eval`: the one way in which every command starts, fails and answers."""

from __future__ import annotations

import gc
import os
import sys
from argparse import Namespace
from collections.abc import Sequence

from ..errors import WeaveEvalError
from ..reading.garbage_collection import rare_garbage_collection
from .console import Console
from .exit_codes import MISUSED, UNREAD
from .footprint import reduce_footprint
from .interruption import interruptions
from .parser import parser


def program() -> int:
    """The process that a shell starts."""
    options = parser().parse_args()
    reduce_footprint()
    try:
        with rare_garbage_collection():
            return _run(options)
    finally:
        gc.freeze()  # before it ends, Python would search everything once more: 0.2 s


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    return _run(parser().parse_args(arguments))


def _run(options: Namespace) -> int:
    console = Console(is_json=options.json, is_quiet=options.quiet)
    with interruptions(is_json=options.json):
        try:
            return _answer(console, options)
        except WeaveEvalError as error:
            console.error(str(error))
            return int(options.command.exit_code(error))
        except BrokenPipeError:
            return _unread()
        except Exception as error:
            if not _is_misconfiguration(error):
                raise
            return _explain(console, error)


def _answer(console: Console, options: Namespace) -> int:
    from .libraries import quieten_libraries

    quieten_libraries(console)
    code = int(options.command.run(console, options))
    sys.stdout.flush()
    return code


def _unread() -> int:
    """Discards what is left of the output, which nobody reads any more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return UNREAD


def _is_misconfiguration(error: Exception) -> bool:
    """Whether dlt's configuration is wrong, which dlt reads as soon as it is imported; any other error is a bug."""
    from dlt.common.configuration.exceptions import ConfigurationException
    from dlt.common.exceptions import MissingDependencyException

    return isinstance(error, (ConfigurationException, MissingDependencyException))


def _explain(console: Console, error: Exception) -> int:
    from ..warehouse.failures import one_line

    console.error(f"The configuration cannot be used: {one_line(error)}")
    return MISUSED
