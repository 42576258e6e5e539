"""`weave-eval report`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from datetime import datetime, timezone
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import SettingsError
from ..command import Command
from ..console import Console
from ..exit_codes import DONE
from ..options import add_destination, add_quiet, chosen_destination

if TYPE_CHECKING:
    from ...report.request import Request

_EXAMPLES = """\
  weave-eval report --out report.html
  weave-eval report --out report.html --project my-team/my-project --since 2026-10-01 --metric correct
  weave-eval report --out release.html --compare latest:support-bot-v1 latest:support-bot-v2
"""

_LIBRARIES = {"altair": "altair", "jinja2": "jinja2", "vl_convert": "vl-convert-python"}


def _add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--out", required=True, metavar="FILE", help="file to write, such as report.html")
    add_destination(parser)
    parser.add_argument(
        "--project",
        action="append",
        default=[],
        metavar="ENTITY/PROJECT",
        help="only runs of this project; may be repeated (default: all that are loaded)",
    )
    parser.add_argument(
        "--run",
        action="append",
        default=[],
        metavar="RUN",
        help="only this run: its id, the start of its id, or latest:MODEL; may be repeated",
    )
    parser.add_argument(
        "--compare", nargs=2, metavar=("RUN_A", "RUN_B"), help="compare these two runs, given in the same way"
    )
    parser.add_argument("--since", metavar="TIME", help="only runs started at or after TIME (ISO 8601, UTC)")
    parser.add_argument("--metric", metavar="NAME", help="the metric to show first, such as correct or tone.polite")
    parser.add_argument("--generated-at", metavar="TIME", help="the time to print on the page (default: now)")
    add_quiet(parser)


def _run(console: Console, options: Namespace) -> int:
    """Writes the report and says where it is."""
    _require_libraries()
    from ...files import write_text
    from ...report.page import warehouse_page

    html = warehouse_page(chosen_destination(options), _request(options))
    path = Path(options.out)
    write_text(path, html)
    size = len(html.encode())
    console.result({"file": str(path), "bytes": size}, f"wrote {path} ({size / 1000:,.0f} kB)")
    return DONE


def _require_libraries() -> None:
    missing = [package for module, package in _LIBRARIES.items() if find_spec(module) is None]
    if missing:
        raise SettingsError(
            f"The report needs {' and '.join(missing)}, which is not installed. "
            'Install it with: pip install "weave-eval[report]"'
        )


def _request(options: Namespace) -> Request:
    from ...report.request import Request
    from ...settings import check_project, time_of

    return Request(
        generated_at=time_of("--generated-at", options.generated_at) or datetime.now(timezone.utc),
        projects=[check_project(project) for project in options.project],
        runs=options.run,
        compare=_pair(options.compare),
        since=time_of("--since", options.since),
        metric=options.metric,
    )


def _pair(names: Sequence[str] | None) -> tuple[str, str] | None:
    return (names[0], names[1]) if names else None


COMMAND = Command("report", "write a report as a single HTML file", _EXAMPLES, _add_options, _run)
