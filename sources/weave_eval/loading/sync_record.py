"""The row that an execution leaves in `syncs`."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from uuid import uuid4

import dlt

from ..rows.flatten import VARYING
from ..weave.sanitize import to_json
from .extraction import Report

MAX_WARNINGS = 200
"""Warnings that are kept of an execution; the rest is counted."""


@dataclass
class SyncRecord:
    """An execution: when it began, what it was, and how it ended. `seconds` counts by step."""

    started_at: datetime
    command: str
    destination: str
    seconds: dict[str, float] = field(default_factory=dict)

    def row(
        self, status: str, finished_at: datetime, report: Report, traffic: dict[str, int], error: str | None = None
    ) -> tuple[Any, ...]:
        """The row, in the order of `VARYING["syncs"]`."""
        values = {
            "sync_id": uuid4().hex,
            "started_at": self.started_at,
            "finished_at": finished_at,
            "status": status,
            "command": self.command,
            "destination": self.destination,
            **traffic,
            "runs_listed": report.runs_listed,
            "runs_read": report.runs_read,
            "runs_unchanged": report.runs_unchanged,
            "runs_open": report.runs_open,
            "runs_deleted": report.runs_deleted,
            "rows": to_json(dict(report.rows)),
            "seconds": to_json({step: round(seconds, 3) for step, seconds in self.seconds.items()}),
            "warnings": to_json(_shortened(report.warnings)),
            "error": error,
            "connector_version": connector_version(),
            "dlt_version": dlt.__version__,
        }
        return tuple(values[name] for name in VARYING["syncs"])


def connector_version() -> str | None:
    """Version of the installed package; None in a copy that `dlt init` made."""
    try:
        return version("weave-eval")
    except PackageNotFoundError:
        return None


def _shortened(warnings: list[str]) -> list[str]:
    if len(warnings) <= MAX_WARNINGS:
        return warnings
    return [*warnings[:MAX_WARNINGS], f"and {len(warnings) - MAX_WARNINGS} more"]
