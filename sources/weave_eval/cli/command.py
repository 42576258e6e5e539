"""What a command declares."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from typing import Literal, NamedTuple

from ..errors import WeaveEvalError
from .console import Console
from .exit_codes import exit_code


class Command(NamedTuple):
    """A command of the command line.

    `run` prints to the console and returns the exit code. A `WeaveEvalError` that it raises is printed, and
    `exit_code` says which exit code it leads to. `leaves` is what it is run for: rows that it loads, a decision, or
    what it prints and writes.
    """

    name: str
    help: str
    examples: str
    add_options: Callable[[ArgumentParser], None]
    run: Callable[[Console, Namespace], int]
    exit_code: Callable[[WeaveEvalError], int] = exit_code
    leaves: Literal["rows", "decision", "output"] = "output"
