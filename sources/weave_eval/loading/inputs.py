"""Inputs of runs, each handed over once: many runs read the same dataset."""

from __future__ import annotations

from ..rows.columns import Columns, TableRow
from ..rows.flatten import RunBatch
from .context import Stored

_REMEMBERED = 200_000


class NewInputs:
    """Tells the inputs that a load has not handed over yet. Mere refs to inputs wait until no better is to come."""

    def __init__(self, stored: Stored):
        self._stored = stored
        self._seen: set[str] = set()
        self._unresolved: dict[str, TableRow] = {}

    def keep_new(self, batch: RunBatch) -> None:
        """Drops the inputs that this load has handed over already, and keeps mere refs back."""
        fresh = [row for row in batch.dataset_rows.rows() if row["row_digest"] not in self._seen]
        self._unresolved.update({row["row_digest"]: row for row in fresh if not row["is_resolved"]})
        if len(self._seen) > _REMEMBERED:
            self._seen.clear()
        batch.dataset_rows = Columns.of("dataset_rows", [row for row in fresh if row["is_resolved"]])
        self._seen.update(batch.dataset_rows["row_digest"])

    def take_unresolved(self) -> list[TableRow]:
        """The refs that nothing else in this load resolved, and that the warehouse does not hold resolved."""
        left = {digest: row for digest, row in self._unresolved.items() if digest not in self._seen}
        self._unresolved.clear()
        stored = self._stored.resolved_inputs(left.keys()) if left else set()
        return [row for digest, row in left.items() if digest not in stored]
