"""`weave-eval export`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ...errors import SettingsError, WeaveEvalError
from ...export.exporting import export
from ...warehouse.profiles import profile
from ..console import Console, quieten_libraries
from ..program import DONE
from .exit_code import exit_code


def run(options: argparse.Namespace) -> int:
    """Writes a table, a view or the answer to a query to a file."""
    console = Console(is_json=options.json, is_quiet=options.quiet)
    quieten_libraries()
    try:
        destination = profile(options.destination, dataset=options.dataset)
        asked = _asked(options.query)
        written = export(asked, destination, Path(options.out), is_for_spreadsheet=options.spreadsheet)
    except WeaveEvalError as error:
        console.error(str(error))
        return exit_code(error)
    for warning in written.warnings:
        console.warning(warning)
    console.result(written.as_dict(), f"{written.path}: {written.rows:,} rows, {written.columns} columns")
    return DONE


def _asked(query: str) -> str:
    """The query itself, or that of a file (`@query.sql`) or of standard input (`-`)."""
    if query == "-":
        return sys.stdin.read()
    if not query.startswith("@"):
        return query
    try:
        return Path(query[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"The query cannot be read from {query[1:]}: {error}") from None
