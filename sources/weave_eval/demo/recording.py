"""The recorded project, and what Weave's API would say of it."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from importlib import resources
from operator import itemgetter

import msgspec

from .query import Record, matches, ordered, page


class UnrecordedError(LookupError):
    """What was asked for is not there. The text is the API's."""


class Recording:
    """Answers of W&B's server to all that the connector may ask, as they were recorded."""

    def __init__(self, content: Record):
        self._content = content

    @classmethod
    def load(cls) -> Recording:
        """The recording that comes with the package."""
        packed = resources.files(__package__).joinpath("recording.json.gz").read_bytes()
        return cls(msgspec.json.decode(gzip.decompress(packed)))

    @property
    def project(self) -> str:
        """The project, as entity/project."""
        return str(self._content["project"])

    def calls(self, body: Record) -> list[Record]:
        """`POST /calls/stream_query`."""
        found = page(ordered(self._matching_calls(body), body, "started_at"), body)
        columns = body.get("columns")
        return [{name: call.get(name) for name in columns} for call in found] if columns else found

    def call_stats(self, body: Record) -> Record:
        """`POST /calls/query_stats`."""
        count = len(page(list(self._matching_calls(body)), body))
        return {"count": count, "has_more": False, "total_storage_size_bytes": None}

    def _matching_calls(self, body: Record) -> Iterable[Record]:
        chosen = body.get("filter") or {}
        query = body.get("query")
        for call in self._content["calls"]:
            if _is_chosen(call, chosen) and (not query or matches(query["$expr"], call)):
                yield call

    def results(self, body: Record) -> Record:
        """`POST eval_results/query`, for one run."""
        (run_id,) = body["evaluation_call_ids"]
        rows = sorted(self._content["results"].get(run_id, ()), key=itemgetter("row_digest"))
        shown = page(rows, body) if body.get("include_rows", True) else []
        summaries = [self._content["summaries"][run_id]] if rows else []
        return {
            "rows": [self._shown(row, body) for row in shown],
            "total_rows": len(rows),
            "summary": {"row_count": len(rows), "evaluations": summaries} if body.get("include_summary") else None,
            "warnings": [],
        }

    def _shown(self, row: Record, body: Record) -> Record:
        data = row["raw_data_row"] if body.get("include_raw_data_rows") else None
        if data is not None and body.get("resolve_row_refs"):
            data = self._content["inputs"][row["row_digest"]]
        evaluations = row["evaluations"] if body.get("include_costs") else _without_costs(row["evaluations"])
        return {**row, "raw_data_row": data, "evaluations": evaluations}

    def objects(self, body: Record) -> Record:
        """`POST /objs/query`."""
        chosen = body.get("filter") or {}
        found = [each for each in self._content["objects"] if _is_wanted(each, chosen)]
        return {"objs": page(ordered(found, body, "created_at"), body)}

    def feedback(self, body: Record) -> Record:
        """`POST /feedback/query`."""
        query = body.get("query")
        found = [each for each in self._content["feedback"] if not query or matches(query["$expr"], each)]
        return {"result": page(ordered(found, body, "created_at"), body)}

    def run(self, run_id: str) -> Record:
        """`GET evaluation_runs/{id}`. Raises `UnrecordedError`."""
        try:
            run: Record = self._content["runs"][run_id]
        except KeyError:
            raise UnrecordedError(f"Evaluation run {run_id} not found") from None
        return run

    def listed(self, kind: str, parameters: Record) -> list[Record]:
        """`GET evaluation_runs` or `GET predictions`: what was made through the v2 API."""
        run_id = parameters.get("evaluation_run_id")
        found = [each for each in self._content["listed"][kind] if run_id in (None, each["evaluation_run_id"])]
        return page(found, parameters)


def _is_chosen(call: Record, chosen: Record) -> bool:
    ids = (("call_ids", "id"), ("trace_ids", "trace_id"), ("parent_ids", "parent_id"))
    ops = chosen.get("op_names")
    is_op = not ops or any(_is_op(call["op_name"], op) for op in ops)
    return is_op and all(not chosen.get(name) or call.get(key) in chosen[name] for name, key in ids)


def _is_op(op: str, wanted: str) -> bool:
    return op.startswith(wanted.removesuffix("*")) if wanted.endswith(":*") else op == wanted


def _is_wanted(each: Record, chosen: Record) -> bool:
    is_op = chosen.get("is_op")
    return (
        (is_op is None or is_op == (each["kind"] == "op"))
        and (not chosen.get("object_ids") or each["object_id"] in chosen["object_ids"])
        and (not chosen.get("base_object_classes") or each["base_object_class"] in chosen["base_object_classes"])
    )


def _without_costs(evaluations: list[Record]) -> list[Record]:
    """The trials as an answer has them that was not asked for costs."""
    return [{**each, "trials": [{**trial, "total_cost": None} for trial in each["trials"]]} for each in evaluations]
