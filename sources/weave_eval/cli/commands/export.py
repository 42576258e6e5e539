"""`weave-eval export`."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from ...errors import SettingsError
from ..command import Command
from ..console import Console
from ..exit_codes import DONE
from ..options import add_destination, add_json, add_quiet, chosen_destination

_EXAMPLES = """\
  weave-eval export fct_leaderboard --out leaderboard.xlsx
  weave-eval export scores --out scores.parquet --destination postgres
  weave-eval export "SELECT model_name, count(*) AS runs FROM dim_runs GROUP BY 1" --out runs.csv
  weave-eval export @question.sql --out answer.csv
"""


def _add_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "query",
        metavar="QUERY_OR_NAME",
        help="a table, a view, a SELECT, @FILE to read one from a file, or - for standard input",
    )
    parser.add_argument("--out", required=True, metavar="FILE", help="file to write: .csv, .parquet or .xlsx")
    parser.add_argument(
        "--spreadsheet",
        action="store_true",
        help="write CSV for spreadsheets: with a byte order mark, and no text that is taken for a formula",
    )
    add_destination(parser)
    add_json(parser)
    add_quiet(parser)


def _run(console: Console, options: Namespace) -> int:
    """Writes a table, a view or the result of a query to a file."""
    from ...export.exporting import export

    destination = chosen_destination(options)
    written = export(_query(options.query), destination, Path(options.out), is_for_spreadsheet=options.spreadsheet)
    for warning in written.warnings:
        console.warning(warning)
    console.result(written.as_dict(), f"{written.path}: {written.rows:,} rows, {written.columns} columns")
    return DONE


def _query(text: str) -> str:
    """The query itself, or the one in a file (`@query.sql`) or on standard input (`-`)."""
    if text == "-":
        return sys.stdin.read()
    if not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"The query cannot be read from {text[1:]}: {error}") from None


COMMAND = Command("export", "write a table, a view or the result of a query to a file", _EXAMPLES, _add_options, _run)
