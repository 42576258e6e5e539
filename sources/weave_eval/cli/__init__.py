"""The command line: its program, its options, its commands, and what they print.

What a command does belongs in the other packages; here it is only asked for and shown.
"""

from __future__ import annotations

from .program import main

__all__ = ["main"]
