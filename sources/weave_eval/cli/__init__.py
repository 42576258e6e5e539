"""The command line: its program, its commands with their options, and what they print.

What a command does belongs in the other packages; here it is only called and shown.
"""

from __future__ import annotations

from .program import main

__all__ = ["main"]
