"""The data related to runs that is read beside their results: versions of objects, feedback, predictions."""

from __future__ import annotations

from collections.abc import Collection, Iterator, MutableMapping, Sequence
from datetime import datetime
from typing import Any

from ..api.client import WeaveClient
from ..rows.columns import TableRow
from ..state.cursor import Cursor
from ..tables import OBJECT_TABLES
from ..weave.runs import Run
from .feedback import read_feedback
from .objects import WantedRefs, read_objects
from .predictions import read_predictions

_REMEMBERED_REFS = 2000


class RelatedData:
    """Reads what is new since the cursors in `saved`, and moves the cursors on. `warnings` collect while it reads."""

    def __init__(
        self, client: WeaveClient, saved: MutableMapping[str, Any], now: datetime, evaluate_ops: Sequence[str]
    ):
        self.warnings: list[str] = []
        self._client = client
        self._saved = saved
        self._now = now
        self._evaluate_ops = evaluate_ops

    def read(self, runs: Sequence[Run], tables: Collection[str]) -> Iterator[tuple[str, list[TableRow]]]:
        """Rows by table, for those of `tables` that are read here: feedback always, objects if `runs` were read."""
        if runs and any(table in tables for table in OBJECT_TABLES):
            yield from self._read_objects(runs)
        if "feedback" in tables:
            yield from self._read_feedback()

    def _read_objects(self, runs: Sequence[Run]) -> Iterator[tuple[str, list[TableRow]]]:
        known = [ref for ref in self._saved.get("refs", ()) if isinstance(ref, str)]
        evaluations = {run.evaluation_ref for run in runs if run.evaluation_ref}
        models = {run.model_ref for run in runs if run.model_ref}
        wanted = WantedRefs(frozenset(evaluations), frozenset(models), frozenset(known))
        found = read_objects(self._client, Cursor.load(self._saved.get("objects")), wanted)
        yield from found.rows.items()
        self.warnings += found.warnings
        fresh = sorted((evaluations | models).difference(known))
        self._saved["objects"] = found.cursor.dump()
        self._saved["refs"] = [*known, *fresh][-_REMEMBERED_REFS:]

    def _read_feedback(self) -> Iterator[tuple[str, list[TableRow]]]:
        cursor = Cursor.load(self._saved.get("feedback"))
        for page in read_feedback(self._client, cursor, self._now, self._evaluate_ops):
            yield "feedback", page.rows
            self.warnings += page.warnings
            self._saved["feedback"] = page.cursor.dump()

    def read_predictions(self, run: Run) -> Iterator[tuple[str, list[TableRow]]]:
        """The predictions of a run that was made through the v2 API."""
        for page in read_predictions(self._client, run.run_id):
            yield "predictions", page.rows
            self.warnings += page.warnings
