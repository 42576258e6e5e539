"""The proof of a load: every run that was read, compared with what landed of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ..proof.damaged import stored_stats
from ..proof.landed import landed
from ..proof.reconcile import Landed, Reconciliation, computed_stats, reconcile
from ..rows.columns import TableRow
from ..rows.flatten import flatten_stats
from ..state.unproven import ReadRun
from ..warehouse.profiles import Profile
from ..warehouse.table_reader import table_reader
from ..weave.pages import RunSummary
from ..weave.sanitize import to_json
from .records import Record


@dataclass(frozen=True)
class Proof:
    """A run that was read, what landed of it, and how the two compare."""

    read: ReadRun
    landed: Landed
    reconciliation: Reconciliation

    @property
    def is_failed(self) -> bool:
        """Whether a run that has ended does not reconcile; one still running may have grown meanwhile."""
        return not self.reconciliation.is_reconciled and not self.read.is_open

    @property
    def lacks_trials(self) -> bool:
        """Whether the calls API counts more trials of the run than landed."""
        return self.is_failed and (self.read.trial_calls or 0) > self.landed.trial_count


def prove(profile: Profile, project: str, read: Mapping[str, ReadRun]) -> list[Proof]:
    """Compares each of the runs with what the warehouse holds of it.

    What Weave said of the stats of runs that an earlier load read is what the warehouse holds of them.
    """
    if not read:
        return []
    recalled = [run_id for run_id, run in read.items() if run.planned is None and run.facts.has_stats]
    with table_reader(profile) as reader:
        found = landed(reader, project, list(read))
        stats = stored_stats(reader, project, recalled)
    facts = {run_id: replace(run.facts, stats=stats.get(run_id, run.facts.stats)) for run_id, run in read.items()}
    return [Proof(run, found[run_id], reconcile(facts[run_id], found[run_id])) for run_id, run in read.items()]


def proof_records(proofs: Sequence[Proof], checked_at: datetime) -> list[Record]:
    """Rows of `reconciliations`, and of `scorer_stats` for the runs whose summary Weave cannot give."""
    reconciliations = Record("reconciliations", [_reconciliation(proof, checked_at) for proof in proofs])
    without = [proof for proof in proofs if proof.read.has_no_summary]
    return [reconciliations, *(Record("scorer_stats", _stats(proof), proof.landed.run_id) for proof in without)]


def _reconciliation(proof: Proof, checked_at: datetime) -> TableRow:
    return {
        **vars(proof.reconciliation),
        "differences": to_json(proof.reconciliation.differences),
        "checked_at": checked_at,
        "trial_call_count": proof.read.trial_calls,
        "load_id": proof.read.load_id,
    }


def _stats(proof: Proof) -> list[TableRow]:
    run_id = proof.landed.run_id
    return flatten_stats(run_id, RunSummary(run_id, scorer_stats=computed_stats(proof.landed.leaves)))
