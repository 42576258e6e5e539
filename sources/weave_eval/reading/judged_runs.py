"""Runs read straight from Weave's API, to judge and to compare them where there is no warehouse."""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from functools import cached_property
from typing import Any

from ..api.client import WeaveClient
from ..api.credentials import web_base_url
from ..errors import NotFoundError
from ..judging.run_results import Content, JudgedTrial, Metric, RunFacts, RunResults, is_score, judged_score
from ..proof.reconcile import LARGEST_SUMMED, ApiFacts, Landed, Leaf, reconcile
from ..rows.flatten import RunBatch
from ..settings import Settings
from ..state.cursor import Cursor
from ..state.decisions import PlannedRun
from ..weave.refs import call_url
from ..weave.run_filter import RunFilter
from ..weave.runs import Run
from .discovery import EVALUATE_OPS, list_runs
from .objects import WantedRefs, read_objects
from .page_size import PageSize
from .results import ResultsReader, Wants
from .run_collector import RunRead, RunUnread

_WHOLE_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NEVER = datetime.max.replace(tzinfo=timezone.utc)


class ApiRuns:
    """The runs of a project, as Weave has them now."""

    def __init__(self, settings: Settings, client: WeaveClient):
        self._settings = settings
        self._client = client
        self._batches: dict[str, RunBatch] = {}
        self.place = f"The project {settings.project}"

    @cached_property
    def _listed(self) -> list[Run]:
        return self._list(RunFilter())

    def _list(self, wanted: RunFilter) -> list[Run]:
        return list_runs(self._client, wanted, wanted.run_ids, self._settings.evaluate_ops or EVALUATE_OPS)

    def starting_with(self, prefix: str) -> list[RunFacts]:
        """The runs whose id starts so; one alone if it is the whole id."""
        if _WHOLE_ID.fullmatch(prefix):
            return [self._facts(run) for run in self._list(RunFilter(run_ids=(prefix,)))]
        return [self._facts(run) for run in self._listed if run.run_id.startswith(prefix)]

    def of_model(self, model_name: str, evaluation_name: str | None = None) -> list[RunFacts]:
        """The runs of a model, on an evaluation if one is named, newest first."""
        runs = [run for run in self._listed if run.model_name == model_name]
        found = [self._facts(run) for run in sorted(runs, key=lambda run: run.started_at, reverse=True)]
        return [run for run in found if evaluation_name in (None, run.evaluation_name)]

    def results(self, run: RunFacts) -> RunResults:
        """The trials of a run; its facts then name its scorers, and say whether all that Weave counts has arrived."""
        (found,) = self._list(RunFilter(run_ids=(run.run_id,)))
        planned = PlannedRun(found, "new", found.fingerprint)
        facts, batch = self._read(planned)
        if not found.is_open and (facts.trial_calls or 0) > len(batch.trials):
            facts, batch = self._read(replace(planned, is_from_calls=True))
        is_reconciled = reconcile(facts, landed_of(run.run_id, batch)).is_reconciled
        self._batches[run.run_id] = batch
        dataset_ref, scorer_refs = self._evaluation(run.evaluation_ref)
        complete = replace(
            self._facts(found), is_reconciled=is_reconciled, dataset_ref=dataset_ref, scorer_refs=scorer_refs
        )
        return RunResults(complete, rows_of(batch))

    def _read(self, planned: PlannedRun) -> tuple[ApiFacts, RunBatch]:
        """What Weave says of the run, and its rows."""
        settings = self._settings
        size = PageSize(settings.page_rows, settings.max_page_bytes)
        reader = ResultsReader(self._client, Wants(), size, settings.parallelism, with_costs=settings.with_costs)
        facts, batch = ApiFacts(planned.run.run_id, 0, None, []), RunBatch.empty()
        for part in reader.read([planned]):
            if isinstance(part, RunRead):
                facts = part.facts
            elif isinstance(part, RunUnread):
                lost = f"{self.place} lost the run {planned.run.run_id} while it was read."
                raise part.error or NotFoundError(lost, 404)
            else:
                batch.extend(part[1])
        return facts, batch

    def contents(self, runs: Sequence[RunFacts], digests: Collection[str]) -> dict[str, Content]:
        """Inputs and outputs of some rows of runs whose results were read, by row digest."""
        found = {digest: Content(None, {}) for digest in digests}
        for run in runs:
            batch = self._batches[run.run_id]
            for row in batch.dataset_rows.rows():
                if row["row_digest"] in found:
                    found[row["row_digest"]] = found[row["row_digest"]]._replace(inputs=_parsed(row["inputs"]))
            for trial in sorted(batch.trials.rows(), key=lambda trial: trial["trial_index"]):
                if trial["row_digest"] in found:
                    answer = _parsed(trial["output"])
                    outputs = found[trial["row_digest"]].outputs.setdefault(run.run_id, [])
                    outputs.append(trial["error"] if answer is None and trial["error"] else answer)
        return found

    def _facts(self, run: Run) -> RunFacts:
        project = self._client.project_id
        return RunFacts(
            run_id=run.run_id,
            project_id=project,
            status=run.status,
            started_at=run.started_at,
            finished_at=run.finished_at,
            display_name=run.display_name,
            evaluation_ref=run.evaluation_ref,
            evaluation_name=run.evaluation_name,
            model_ref=run.model_ref,
            model_name=run.model_name,
            url=call_url(web_base_url(self._client.base_url), project, run.run_id),
        )

    def _evaluation(self, ref: str | None) -> tuple[str | None, tuple[str, ...] | None]:
        """Dataset and scorers of a version of an evaluation, as far as they are known."""
        if ref is None:
            return None, None
        wanted = WantedRefs(evaluations=frozenset({ref}))
        for row in read_objects(self._client, Cursor(_NEVER), wanted).rows["evaluations"]:
            if row["ref"] == ref:
                scorers = _parsed(row["scorer_refs"])
                return row["dataset_ref"], tuple(scorers) if isinstance(scorers, list) else None
        return None, None


def rows_of(batch: RunBatch) -> dict[str, list[JudgedTrial]]:
    """The trials of a run by row digest, with their scores that are true, false or numbers."""
    rows: dict[str, list[tuple[int, JudgedTrial]]] = defaultdict(list)
    by_id: dict[str, JudgedTrial] = {}
    for record in batch.trials.rows():
        measured = (record["latency_seconds"], record["total_cost"], record["total_tokens"])
        trial = JudgedTrial(record["trial_id"], *measured, is_error=bool(record["is_error"]))
        by_id[trial.trial_id] = trial
        rows[record["row_digest"]].append((record["trial_index"], trial))
    for record in batch.scores.rows():
        if is_score(record["value_type"], record["value_number"]):
            score = judged_score(record["value_type"], record["value_bool"], record["value_number"])
            by_id[record["trial_id"]].scores[Metric(record["scorer_name"], record["path"])] = score
    return {digest: [trial for _, trial in sorted(trials, key=_by_index)] for digest, trials in rows.items()}


def _by_index(numbered: tuple[int, JudgedTrial]) -> int:
    return numbered[0]


def landed_of(run_id: str, batch: RunBatch) -> Landed:
    """What was read of a run, counted as `proof/landed.py` counts what landed."""
    scores: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for record in batch.scores.rows():
        scores[record["scorer_name"], record["path"]].append(record)
    leaves = [_leaf(*key, records) for key, records in scores.items()]
    return Landed(run_id, len(batch.result_rows), len(batch.trials), len(set(batch.trials["row_digest"])), leaves)


def _leaf(scorer_name: str, path: str, records: Sequence[dict[str, Any]]) -> Leaf:
    types = [record["value_type"] for record in records]
    numbers = [record["value_number"] for record in records if record["value_type"] == "continuous"]
    summed = [number for number in numbers if number is not None and abs(number) < LARGEST_SUMMED]
    return Leaf(
        scorer_name=scorer_name,
        path=path,
        binary_count=types.count("binary"),
        true_count=sum(record["value_bool"] is True for record in records),
        number_count=len(numbers),
        number_sum=math.fsum(summed),
        number_magnitude=math.fsum(map(abs, summed)),
        unsummed_count=len(numbers) - len(summed),
        text_count=types.count("text"),
        null_count=types.count("null"),
    )


def _parsed(text: bytes | None) -> Any:
    return None if text is None else json.loads(text)
