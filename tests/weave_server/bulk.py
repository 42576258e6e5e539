"""Runs in bulk, written straight into the server, with the calls that the SDK or the v2 API would log."""

import dataclasses
import datetime as dt
import hashlib
import uuid
from functools import cached_property
from typing import Any

from weave.trace_server import trace_server_interface as tsi

from tests.weave_server.service import service

TOKENS = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "requests": 1}
USAGE = {"usage": {"gpt-4o": TOKENS}}


@dataclasses.dataclass
class Bulk:
    """What to write: `runs` runs of `rows` times `trials` trials, the first at `start` (ISO 8601)."""

    project: str
    runs: int = 1
    rows: int = 100
    trials: int = 1
    scorers: int = 2
    output_bytes: int = 80
    is_dataset_backed: bool = True
    is_sdk_style: bool = True
    is_finished: bool = True
    start: str = "2026-01-01T00:00:00+00:00"
    seconds_apart: float = 60.0
    name: str = "bulk"

    def write(self) -> list[str]:
        """The ids of the runs."""
        return [self.write_run(number) for number in range(self.runs)]

    def write_run(self, number: int) -> str:
        begun = dt.datetime.fromisoformat(self.start) + dt.timedelta(seconds=number * self.seconds_apart)
        run = Run(self, begun)
        service.oracle.calls_complete(tsi.CallsUpsertCompleteReq(batch=run.calls()))
        if not self.is_finished:
            run.start()
        return run.id

    @cached_property
    def internal_id(self) -> str:
        return service.identities.internal(self.project)

    @cached_property
    def examples(self) -> list[dict[str, Any]]:
        return [{"id": row, "question": f"question {row}?", "expected": f"answer {row}"} for row in range(self.rows)]

    @cached_property
    def dataset(self) -> str:
        name = f"{self.name}-dataset"
        request = tsi.DatasetCreateReq(project_id=self.project, name=name, rows=self.examples)
        made = service.external.dataset_create(request)
        return f"weave:///{self.project}/object/{made.object_id}:{made.digest}"

    @cached_property
    def scorer_refs(self) -> dict[str, str]:
        made = {}
        for number in range(self.scorers):
            name = f"{self.name}_scorer_{number}"
            source = f"def {name}(output): ..."
            request = tsi.ScorerCreateReq(project_id=self.project, name=name, op_source_code=source)
            scorer = service.external.scorer_create(request)
            made[scorer.object_id] = str(service.internal(scorer.scorer))
        return made

    @cached_property
    def evaluation(self) -> str:
        request = tsi.EvaluationCreateReq(
            project_id=self.project,
            name=f"{self.name}-evaluation",
            dataset=self.dataset,
            scorers=list(self.scorer_refs.values()),
            trials=self.trials,
        )
        return str(service.internal(service.external.evaluation_create(request).evaluation_ref))

    @cached_property
    def model(self) -> str:
        name = f"{self.name}-model"
        request = tsi.ModelCreateReq(project_id=self.project, name=name, source_code="class M: ...")
        return str(service.internal(service.external.model_create(request).model_ref))

    @cached_property
    def inputs(self) -> list[Any]:
        """Each row as a trial refers to it."""
        if not self.is_dataset_backed:
            return list(self.examples)
        object_id, digest = self.dataset.rsplit("/", 1)[-1].split(":")
        request = tsi.DatasetReadReq(project_id=self.project, object_id=object_id, digest=digest)
        table = service.external.dataset_read(request).rows.rsplit("/", 1)[-1]
        rows = service.external.table_query(tsi.TableQueryReq(project_id=self.project, digest=table)).rows
        return [service.internal(f"{self.dataset}/attr/rows/id/{row.digest}") for row in rows]

    def op(self, name: str) -> str:
        digest = hashlib.sha256(name.encode()).hexdigest()[:43]
        return f"weave-trace-internal:///{self.internal_id}/op/{name}:{digest}"

    @property
    def trial_attributes(self) -> dict[str, Any]:
        return {"_weave_eval_meta": {"declarative": True}} if self.is_sdk_style else {}

    @property
    def run_attributes(self) -> dict[str, Any]:
        if self.is_sdk_style:
            return {}
        return {"weave": {"evaluation_run": "true", "evaluation": self.evaluation, "model": self.model}}


class Run:
    """The calls of one run."""

    def __init__(self, bulk: Bulk, begun: dt.datetime) -> None:
        self.bulk = bulk
        self.begun = begun
        self.id = str(uuid.uuid4())

    def calls(self) -> list[tsi.CompletedCallSchemaForInsert]:
        made = [
            call
            for trial in range(self.bulk.trials)
            for row in range(self.bulk.rows)
            for call in self.trial_calls(trial, row)
        ]
        return [*made, self.root()] if self.bulk.is_finished else made

    def start(self) -> None:
        call = tsi.StartedCallSchemaForInsert(
            project_id=self.bulk.internal_id,
            id=self.id,
            trace_id=self.id,
            op_name=self.bulk.op("Evaluation.evaluate"),
            started_at=self.begun,
            attributes=self.bulk.run_attributes,
            inputs={"self": self.bulk.evaluation, "model": self.bulk.model},
        )
        service.oracle.call_start(tsi.CallStartReq(start=call))

    def root(self) -> tsi.CompletedCallSchemaForInsert:
        inputs = {"self": self.bulk.evaluation, "model": self.bulk.model}
        milliseconds = self.bulk.rows * self.bulk.trials + 100
        made = self.call("Evaluation.evaluate", None, (0, milliseconds), inputs, {})
        made.id, made.attributes = self.id, self.bulk.run_attributes
        return made

    def trial_calls(self, trial: int, row: int) -> list[tsi.CompletedCallSchemaForInsert]:
        bulk, at = self.bulk, trial * self.bulk.rows + row
        scores = {name: score(row + trial, number) for number, name in enumerate(bulk.scorer_refs)}
        output = {"answer": f"answer {row}.{trial}", "text": "x" * bulk.output_bytes}
        inputs = {"self": bulk.evaluation, "model": bulk.model, "example": bulk.inputs[row]}
        answer = {"output": output, "scores": scores, "model_latency": 0.04}
        parent = self.call("Evaluation.predict_and_score", self.id, (at, 50), inputs, answer)
        question = {"self": bulk.model, "question": bulk.examples[row]["question"]}
        predict = self.call(f"{bulk.name}-model.predict", parent.id, (at, 40), question, output)
        predict.summary = USAGE
        judges = [
            self.call(f"{name}.score", parent.id, (at + 41, 2), {"self": ref, "output": output}, scores[name])
            for name, ref in bulk.scorer_refs.items()
        ]
        return [parent, predict, *judges]

    def call(
        self, op: str, parent: str | None, when: tuple[int, int], inputs: Any, output: Any
    ) -> tsi.CompletedCallSchemaForInsert:
        """A call; `when` it starts after the run, and how long it takes, in milliseconds."""
        begun = self.begun + dt.timedelta(milliseconds=when[0])
        return tsi.CompletedCallSchemaForInsert(
            project_id=self.bulk.internal_id,
            id=str(uuid.uuid4()),
            trace_id=self.id,
            parent_id=parent,
            op_name=self.bulk.op(op),
            started_at=begun,
            ended_at=begun + dt.timedelta(milliseconds=when[1]),
            attributes=self.bulk.trial_attributes,
            inputs=inputs,
            output=output,
            summary={},
        )


def score(turn: int, scorer: int) -> Any:
    """Every second scorer gives an object."""
    if scorer % 2:
        return {"passed": (turn + scorer) % 3 != 0, "distance": turn % 10 / 10}
    return (turn + scorer) % 2 == 0
