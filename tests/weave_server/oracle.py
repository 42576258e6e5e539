"""W&B's in-memory trace server, brought closer to its ClickHouse server and usable with big runs."""

from collections.abc import Iterator
from typing import Any

from weave.shared import refs_internal
from weave.trace_server import constants, eval_results_helpers, object_creation_utils
from weave.trace_server import trace_server_interface as tsi
from weave.trace_server.in_memory_trace_server import InMemoryTraceServer

from tests.weave_server.quirks import answer_like_clickhouse
from tests.weave_server.settings import Settings

STATE = (
    "_calls",
    "_objs",
    "_tables",
    "_table_rows",
    "_files",
    "_tags",
    "_aliases",
    "_feedback",
    "_llm_token_prices",
    "_ttl_settings",
    "_annotation_queues",
    "_annotation_queue_items",
    "_annotation_progress",
    "_agent_spans",
)
CALL_FIELDS = (
    "id",
    "project_id",
    "trace_id",
    "parent_id",
    "op_name",
    "output",
    "summary",
    "started_at",
    "ended_at",
)


class Oracle(InMemoryTraceServer):
    """The in-memory server with what ClickHouse has and it lacks.

    Runs of more than 1,000 trials work, runs made through the v2 API carry an op ref as op name, and a
    finished prediction keeps its output. The grouped rows of a run are kept until the next write, so that
    paging through a big run takes linear time.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        super().__init__()

    def _init_storage(self) -> None:
        super()._init_storage()
        self._rows: dict[Any, list[tsi.EvalResultsRow]] = {}

    def forget_rows(self) -> None:
        self._rows.clear()

    def evaluation_run_create(self, req: tsi.EvaluationRunCreateReq) -> tsi.EvaluationRunCreateRes:
        made = super().evaluation_run_create(req)
        name = constants.EVALUATION_RUN_OP_NAME
        source = object_creation_utils.PLACEHOLDER_EVALUATION_EVALUATE_OP_SOURCE
        op = self.op_create(tsi.OpCreateReq(project_id=req.project_id, name=name, source_code=source))
        ref = refs_internal.InternalOpRef(project_id=req.project_id, name=name, version=op.digest)
        self._calls[req.project_id, made.evaluation_run_id].op_name = ref.uri
        return made

    def prediction_finish(self, req: tsi.PredictionFinishReq) -> tsi.PredictionFinishRes:
        call = self._calls.get((req.project_id, req.prediction_id))
        output = call.output if call else None
        answer = super().prediction_finish(req)
        if call:
            self._calls[req.project_id, req.prediction_id].output = output
        return answer

    def _calls_query_stream_for_eval_subtree(
        self, project_id: str, eval_root_ids: list[str], include_children: bool = True
    ) -> Iterator[tsi.CallSchema]:
        stock = super()._calls_query_stream_for_eval_subtree
        roots = list(stock(project_id, eval_root_ids, include_children=False))
        yield from roots
        if include_children and roots:
            yield from self._children(project_id, {call.id for call in roots})

    def _children(self, project_id: str, parents: set[str]) -> list[tsi.CallSchema]:
        with self.lock:
            found = [
                call
                for call in self._calls.values()
                if call.project_id == project_id and call.parent_id in parents and is_readable(call)
            ]
        return [schema(call) for call in sorted(found, key=lambda call: (call.started_at, call.id))]

    def eval_results_query(self, req: tsi.EvalResultsQueryReq) -> tsi.EvalResultsQueryRes:
        answer = self._eval_results(req)
        if self.settings.quirks:
            one_row = req.model_copy(update={"include_rows": True, "limit": 1, "offset": 0})
            answer_like_clickhouse(req, answer, lambda: int(self._eval_results(one_row).total_rows))
        return answer

    def _eval_results(self, req: tsi.EvalResultsQueryReq) -> tsi.EvalResultsQueryRes:
        if req.filters or req.sort_by or getattr(req, "include_costs", False):
            return super().eval_results_query(req)
        eval_results_helpers.validate_eval_results_request(req)
        runs = eval_results_helpers.resolve_eval_root_ids(req)
        rows = self._grouped_rows(req, runs)
        page, total, warnings = self._page(req, runs, rows) if req.include_rows else ([], 0, [])
        summary = self._summary(req, runs, rows) if req.include_summary else None
        return tsi.EvalResultsQueryRes(rows=page, total_rows=total, summary=summary, warnings=warnings)

    def _page(
        self, req: tsi.EvalResultsQueryReq, runs: list[str], rows: list[tsi.EvalResultsRow]
    ) -> tuple[list[tsi.EvalResultsRow], int, list[str]]:
        selected, total = eval_results_helpers.apply_row_selection(
            list(rows), runs, req.require_intersection, req.offset, req.limit
        )
        page = [row.model_copy(deep=self.settings.quirks) for row in selected]
        if req.include_raw_data_rows and req.resolve_row_refs:
            return page, total, eval_results_helpers.resolve_eval_row_refs(self, page, req.project_id)
        if not req.include_raw_data_rows:
            for row in page:
                row.raw_data_row = None
        return page, total, []

    def _summary(
        self, req: tsi.EvalResultsQueryReq, runs: list[str], rows: list[tsi.EvalResultsRow]
    ) -> tsi.EvalResultsSummaryRes:
        is_crossed = req.summary_require_intersection
        if is_crossed is None:
            is_crossed = req.require_intersection
        kept, _ = eval_results_helpers.apply_row_selection(list(rows), runs, is_crossed, 0, None)
        metadata = eval_results_helpers.fetch_eval_root_metadata(self, req.project_id, runs)
        return eval_results_helpers.compute_summary_from_rows(kept, metadata)

    def _grouped_rows(self, req: tsi.EvalResultsQueryReq, runs: list[str]) -> list[tsi.EvalResultsRow]:
        key = (req.project_id, *runs, req.include_predict_and_score_children, bool(req.resolve_row_refs))
        if key not in self._rows:
            self._rows[key] = self._group_rows(req, runs)
        return self._rows[key]

    def _group_rows(self, req: tsi.EvalResultsQueryReq, runs: list[str]) -> list[tsi.EvalResultsRow]:
        project, has_children = req.project_id, req.include_predict_and_score_children
        calls = list(self._calls_query_stream_for_eval_subtree(project, runs, include_children=has_children))
        if req.resolve_row_refs and not self.settings.quirks:
            eval_results_helpers.resolve_eval_inputs(
                calls, runs, lambda digests: self._table_rows_read_batch(project, digests)
            )
        everything = tsi.EvalResultsQueryReq(
            project_id=project,
            evaluation_call_ids=runs,
            include_raw_data_rows=True,
            include_predict_and_score_children=has_children,
        )
        rows, _ = eval_results_helpers.eval_results_grouped_rows(everything, runs, calls)
        return list(rows)

    def state(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in STATE}

    def restore(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)


def is_readable(call: Any) -> bool:
    return call.deleted_at is None and call.op_name is not None and call.started_at is not None


def schema(call: Any) -> tsi.CallSchema:
    fields = {name: getattr(call, name) for name in CALL_FIELDS}
    return tsi.CallSchema(**fields, attributes=call.attributes or {}, inputs=call.inputs or {})
