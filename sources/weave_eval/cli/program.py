"""`weave-eval`: the one way in which every command starts, fails and answers."""

from __future__ import annotations

import gc
from argparse import Namespace
from collections.abc import Sequence

from ..errors import OUT_OF_MEMORY, WeaveEvalError
from ..reading.garbage_collection import rare_garbage_collection
from .console import Console, make_writable
from .exit_codes import FAILED, MISUSED, UNREAD
from .footprint import reduce_footprint
from .interruption import interruptions
from .parser import parser


def program() -> int:
    """The process that a shell starts."""
    make_writable()
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
    with interruptions(is_json=options.json, is_loading=options.command.leaves == "rows"):
        try:
            return _answered(console, options, _answer(console, options))
        except WeaveEvalError as error:
            console.error(str(error))
            return int(options.command.exit_code(error))
        except MemoryError:
            console.error(OUT_OF_MEMORY)
            return FAILED
        except Exception as error:
            if not _is_misconfiguration(error):
                raise
            return _explain(console, error)


def _answer(console: Console, options: Namespace) -> int:
    from .libraries import quieten_libraries

    quieten_libraries(console)
    return int(options.command.run(console, options))


def _answered(console: Console, options: Namespace, code: int) -> int:
    """The exit code of a command that ended with `code`: what was done is done, even if it could not be said."""
    if console.unwritten is None or options.command.leaves != "output":
        return code
    if isinstance(console.unwritten, BrokenPipeError):
        return UNREAD
    console.error(f"The answer could not be written to stdout: {console.unwritten.strerror}.")
    return code or FAILED


def _is_misconfiguration(error: Exception) -> bool:
    """Whether dlt's configuration is wrong, which dlt reads as soon as it is imported; any other error is a bug."""
    from dlt.common.configuration.exceptions import ConfigurationException
    from dlt.common.exceptions import MissingDependencyException

    return isinstance(error, (ConfigurationException, MissingDependencyException))


def _explain(console: Console, error: Exception) -> int:
    from ..warehouse.failures import one_line

    console.error(f"The configuration cannot be used: {one_line(error)}")
    return MISUSED
