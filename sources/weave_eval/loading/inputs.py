"""Inputs of runs, each handed over once: many runs read the same dataset."""

from __future__ import annotations

from typing import Any

from ..rows.flatten import RunBatch, Tuples
from .context import Stored

_REMEMBERED = 200_000


class NewInputs:
    """Tells the inputs that a load has not handed over yet. Mere refs to inputs wait until no better is to come."""

    def __init__(self, stored: Stored):
        self._stored = stored
        self._seen: set[str] = set()
        self._unresolved: dict[str, tuple[Any, ...]] = {}

    def keep_new(self, batch: RunBatch) -> None:
        """Drops the inputs that this load has handed over already, and keeps mere refs back."""
        fresh = [row for row in batch.dataset_rows if row[0] not in self._seen]
        self._unresolved.update({row[0]: row for row in fresh if not row[3]})
        if len(self._seen) > _REMEMBERED:
            self._seen.clear()
        batch.dataset_rows = [row for row in fresh if row[3]]
        self._seen.update(row[0] for row in batch.dataset_rows)

    def take_unresolved(self) -> Tuples:
        """The refs that nothing else in this load resolved, and that the warehouse does not hold resolved."""
        left = {digest: row for digest, row in self._unresolved.items() if digest not in self._seen}
        self._unresolved.clear()
        stored = self._stored.resolved_inputs(left.keys()) if left else set()
        return [row for digest, row in left.items() if digest not in stored]
