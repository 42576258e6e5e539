"""`weave-eval`: the command line.

Exit codes: 0 done, 1 a project failed (the others are loaded) or differs, 2 usage or configuration, 75 another load
holds the lock, 130 interrupted, 141 nobody reads the output any more, 143 terminated.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from ..reading.garbage_collection import rare_garbage_collection
from .arguments import parser
from .footprint import reduce_footprint
from .interruption import interruptions

DONE, FAILED, MISUSED, BUSY, UNREAD = 0, 1, 2, 75, 141

_LOADS = frozenset({"load", "verify"})
"""Commands that need little of what is installed."""


def program() -> int:
    """The process that a shell starts."""
    options = parser().parse_args()
    reduce_footprint(is_load=options.command in _LOADS)
    try:
        with rare_garbage_collection():
            return _run(options)
    finally:
        gc.freeze()  # before it ends, Python would look through all there is once more: 0.2 s


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code. What a command needs is imported only when it runs."""
    return _run(parser().parse_args(arguments))


def _run(options: argparse.Namespace) -> int:
    with interruptions(is_json=getattr(options, "json", False)):
        try:
            command = import_module(f".commands.{options.command}", __package__)
            code = int(command.run(options))
            sys.stdout.flush()
            return code
        except BrokenPipeError:
            return _unread()
        except Exception as error:
            if not _is_explained(error, is_json=getattr(options, "json", False)):
                raise
            return MISUSED


def _unread() -> int:
    """Whoever read the output has stopped, as `head` does; what is left of it goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return UNREAD


def _is_explained(error: Exception, *, is_json: bool) -> bool:
    """Says what is wrong with dlt's configuration, which dlt reads when it is imported; any other error is a bug."""
    from dlt.common.configuration.exceptions import ConfigurationException  # noqa: PLC0415 - heavy
    from dlt.common.exceptions import MissingDependencyException  # noqa: PLC0415 - heavy

    from ..warehouse.failures import one_line  # noqa: PLC0415 - heavy
    from .console import Console  # noqa: PLC0415 - heavy

    if not isinstance(error, (ConfigurationException, MissingDependencyException)):
        return False
    Console(is_json=is_json).error(f"The configuration cannot be used: {one_line(error)}")
    return True
