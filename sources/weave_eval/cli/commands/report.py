"""`weave-eval report`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import datetime, timezone
from importlib.util import find_spec
from pathlib import Path

from ...errors import SettingsError, WeaveEvalError
from ...report.request import Request
from ...settings import check_project, time_of
from ...warehouse.profiles import Profile, profile
from ..console import Console, quieten_libraries
from ..program import DONE
from .exit_code import exit_code

_LIBRARIES = {"altair": "altair", "jinja2": "jinja2", "vl_convert": "vl-convert-python"}


def run(options: argparse.Namespace) -> int:
    """Writes the report and says where it is."""
    console = Console(is_quiet=options.quiet)
    quieten_libraries()
    try:
        _require_libraries()
        path = Path(options.out)
        size = _write(profile(options.destination, dataset=options.dataset), _request(options), path)
    except WeaveEvalError as error:
        console.error(str(error))
        return exit_code(error)
    console.result({"file": str(path), "bytes": size}, f"wrote {path} ({size / 1000:,.0f} kB)")
    return DONE


def _require_libraries() -> None:
    missing = [package for module, package in _LIBRARIES.items() if find_spec(module) is None]
    if missing:
        raise SettingsError(
            f"The report needs {' and '.join(missing)}, which is not installed. "
            'Install it with: pip install "weave-eval[report]"'
        )


def _request(options: argparse.Namespace) -> Request:
    return Request(
        generated_at=time_of("--generated-at", options.generated_at) or datetime.now(timezone.utc),
        projects=[check_project(project) for project in options.project],
        runs=options.run,
        compare=_two(options.compare),
        since=time_of("--since", options.since),
        metric=options.metric,
    )


def _two(names: Sequence[str] | None) -> tuple[str, str] | None:
    return (names[0], names[1]) if names else None


def _write(destination: Profile, request: Request, path: Path) -> int:
    from ...report.page import warehouse_page, write_page  # noqa: PLC0415 - needs the extra

    if path.is_dir():
        raise SettingsError(f"{path} is a folder. Name a file with --out.")
    html = warehouse_page(destination, request)
    try:
        write_page(html, path)
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error.strerror}. Name another file with --out.") from None
    return len(html.encode())
