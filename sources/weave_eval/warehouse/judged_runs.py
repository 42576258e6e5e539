"""Runs read from a warehouse, to judge and to compare them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any

from sqlalchemy import Connection, Row, Select, Table, func, inspect, or_, select

from ..judging.run_results import Content, JudgedTrial, Metric, RunFacts, RunResults, is_score, judged_score
from .engine import reading
from .metadata import sql_tables
from .profiles import Profile

_MAX_IDS = 500
_MOST_RUNS = 1000

_FACTS = (
    "run_id", "project_id", "status", "started_at", "finished_at", "display_name", "evaluation_ref",
    "evaluation_name", "model_ref", "model_name", "url", "results_load_id",
)  # fmt: skip
_READ = ("evaluation_runs", "evaluations", "reconciliations", "dataset_rows", "trials", "scores")
_TRIAL_FIELDS = ("trial_id", "row_digest", "latency_seconds", "total_cost", "total_tokens", "is_error")


@contextmanager
def judged_runs(profile: Profile, project: str | None = None) -> Iterator[WarehouseRuns]:
    """The runs of a profile's warehouse, or of one project in it, over one connection.

    Raises `SettingsError`, `DestinationError`, or `BusyError` for a DuckDB file that is being loaded into.
    """
    with reading(profile) as connection:
        yield WarehouseRuns(connection, profile, project)


class WarehouseRuns:
    """The runs that the tables of a dataset hold."""

    def __init__(self, connection: Connection, profile: Profile, project: str | None = None):
        self._connection = connection
        self._tables = sql_tables(profile.dataset, profile.warehouse)
        self._present = {name for name in _READ if inspect(connection).has_table(name, schema=profile.dataset)}
        self._project = project
        of_project = f" of {project}" if project else ""
        self.place = f"The destination {profile.name} ({profile.dataset}){of_project}"

    def starting_with(self, prefix: str) -> list[RunFacts]:
        """The runs whose id starts like this; only one if it is a whole id."""
        runs = self._tables["evaluation_runs"]
        found = self._facts(select_facts(runs).where(func.substr(runs.c.run_id, 1, len(prefix)) == prefix))
        return [run for run in found if run.run_id == prefix] or found

    def of_model(self, model_name: str, evaluation_name: str | None = None) -> list[RunFacts]:
        """The runs of a model that are not deleted, on an evaluation if one is named, newest first."""
        runs = self._tables["evaluation_runs"]
        is_wanted = (runs.c.model_name == model_name) & runs.c.deleted_at.is_(None)
        if evaluation_name is not None:
            is_wanted &= runs.c.evaluation_name == evaluation_name
        return self._facts(select_facts(runs).where(is_wanted))

    def results(self, run: RunFacts) -> RunResults:
        """The trials of a run with their scores that are true, false or numbers."""
        trials = self._trials(run)
        by_id = {trial.trial_id: trial for _, trial in trials}
        for trial_id, metric, score in self._scores(run):
            if trial_id in by_id:
                by_id[trial_id].scores[metric] = score
        rows: dict[str, list[JudgedTrial]] = defaultdict(list)
        for digest, trial in trials:
            rows[digest].append(trial)
        return RunResults(run, dict(rows))

    def contents(self, runs: Sequence[RunFacts], digests: Collection[str]) -> dict[str, Content]:
        """Inputs and outputs of some rows, by row digest."""
        wanted = sorted(digests)
        chunks = [wanted[start : start + _MAX_IDS] for start in range(0, len(wanted), _MAX_IDS)]
        found: dict[str, Content] = {}
        for chunk in chunks:
            inputs = self._inputs({run.project_id for run in runs}, chunk)
            outputs = self._outputs(runs, chunk)
            found.update({digest: Content(inputs.get(digest), outputs.get(digest, {})) for digest in chunk})
        return found

    def _facts(self, query: Select[Any]) -> list[RunFacts]:
        """The runs that a query selects, newest first."""
        if "evaluation_runs" not in self._present:
            return []
        runs = self._tables["evaluation_runs"].c
        wanted = query.where(runs.project_id == self._project) if self._project else query
        rows = self._connection.execute(wanted.order_by(runs.started_at.desc()).limit(_MOST_RUNS)).all()
        evaluations = self._evaluations({row.evaluation_ref for row in rows if row.evaluation_ref})
        proofs = self._proofs([row.run_id for row in rows])
        return [
            _run_facts(row, evaluations.get(row.evaluation_ref), proofs.get((row.project_id, row.run_id)))
            for row in rows
        ]

    def _evaluations(self, refs: Collection[str]) -> dict[str, tuple[str | None, Any]]:
        """Dataset and scorers of each version of an evaluation."""
        columns = self._tables["evaluations"].c
        query = select(columns.ref, columns.dataset_ref, columns.scorer_refs)
        return {ref: (dataset, scorers) for ref, dataset, scorers in self._in_chunks("evaluations", query, "ref", refs)}

    def _proofs(self, run_ids: Collection[str]) -> dict[tuple[str, str], tuple[str, bool]]:
        """The load of each run that was compared with Weave, and whether it agreed, by project and run."""
        columns = self._tables["reconciliations"].c
        query = select(columns.project_id, columns.run_id, columns.load_id, columns.is_reconciled)
        found = self._in_chunks("reconciliations", query, "run_id", run_ids)
        return {(project, run_id): (load_id, bool(is_reconciled)) for project, run_id, load_id, is_reconciled in found}

    def _in_chunks(self, table: str, query: Select[Any], key: str, values: Collection[str]) -> Iterator[Row[Any]]:
        wanted = sorted(values) if table in self._present else []
        for start in range(0, len(wanted), _MAX_IDS):
            chunk = wanted[start : start + _MAX_IDS]
            yield from self._connection.execute(query.where(self._tables[table].c[key].in_(chunk)))

    def _trials(self, run: RunFacts) -> list[tuple[str, JudgedTrial]]:
        trials = self._tables["trials"].c
        query = select(*(trials[name] for name in _TRIAL_FIELDS)).where(_of_run(trials, run))
        rows = self._connection.execute(query.order_by(trials.row_digest, trials.trial_index))
        return [
            (digest, JudgedTrial(trial_id, seconds, cost, tokens, bool(is_error)))
            for trial_id, digest, seconds, cost, tokens, is_error in rows
        ]

    def _scores(self, run: RunFacts) -> Iterator[tuple[str, Metric, bool | float | None]]:
        """The scores of a run except nulls and numbers that do not fit a double, which count as missing."""
        scores = self._tables["scores"].c
        columns = (scores.trial_id, scores.scorer_name, scores.path, scores.value_type)
        query = select(*columns, scores.value_bool, scores.value_number).where(_of_run(scores, run))
        for trial_id, scorer, path, value_type, value_bool, value_number in self._connection.execute(query):
            if is_score(value_type, value_number):
                yield trial_id, Metric(scorer, path), judged_score(value_type, value_bool, value_number)

    def _inputs(self, projects: Collection[str], digests: Sequence[str]) -> dict[str, Any]:
        rows = self._tables["dataset_rows"].c
        query = select(rows.row_digest, rows.inputs).where(rows.project_id.in_(sorted(projects)))
        found = self._connection.execute(query.where(rows.row_digest.in_(digests)))
        return {digest: inputs for digest, inputs in found if inputs is not None}

    def _outputs(self, runs: Sequence[RunFacts], digests: Sequence[str]) -> dict[str, dict[str, list[Any]]]:
        trials = self._tables["trials"].c
        query = select(trials.row_digest, trials.run_id, trials.output, trials.error)
        is_wanted = or_(*(_of_run(trials, run) for run in runs)) & trials.row_digest.in_(digests)
        wanted = query.where(is_wanted).order_by(trials.trial_index)
        found: dict[str, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
        for digest, run_id, output, error in self._connection.execute(wanted):
            found[digest][run_id].append(error if output is None and error else output)
        return found


def select_facts(runs: Table) -> Select[Any]:
    """The columns of `evaluation_runs` that describe a run."""
    return select(*(runs.c[name] for name in _FACTS), runs.c.deleted_at.is_not(None).label("is_deleted"))


def _of_run(columns: Any, run: RunFacts) -> Any:
    """Whether a row is of the run: a renamed project may have its runs under both names."""
    return (columns.run_id == run.run_id) & (columns.project_id == run.project_id)


def _run_facts(row: Row[Any], evaluation: tuple[str | None, Any] | None, proof: tuple[str, bool] | None) -> RunFacts:
    dataset_ref, scorer_refs = evaluation or (None, None)
    is_proven = proof is not None and proof[0] == row.results_load_id
    return RunFacts(
        run_id=row.run_id,
        project_id=row.project_id,
        status=row.status,
        started_at=_utc(row.started_at),
        finished_at=_utc(row.finished_at) if row.finished_at else None,
        display_name=row.display_name,
        evaluation_ref=row.evaluation_ref,
        evaluation_name=row.evaluation_name,
        model_ref=row.model_ref,
        model_name=row.model_name,
        url=row.url,
        is_deleted=bool(row.is_deleted),
        is_reconciled=proof[1] if proof and is_proven else None,
        dataset_ref=dataset_ref,
        scorer_refs=tuple(scorer_refs) if isinstance(scorer_refs, list) else None,
    )


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment.astimezone(timezone.utc)
