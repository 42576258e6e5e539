"""The floor under any load: download, parse, columns, bulk insert into the final tables; no state, no proof, no dlt.

Rows and columns are those of a real load, so that what a load costs more is the price of being one.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import pyarrow as pa

from tests.benchmarks.contenders.download import PROJECT_ID, Download, Json
from tests.benchmarks.contenders.warehouse import Warehouse, open_warehouse

_BATCH_ROWS = 100_000
_JSON = pa.field("", pa.string(), metadata={"json": "yes"})
_TIME = pa.timestamp("us", tz="UTC")


class _Trial(msgspec.Struct):
    predict_and_score_call_id: str
    predict_call_id: str | None
    model_output: msgspec.Raw
    scores: dict[str, Any]
    model_latency_seconds: float | None
    total_tokens: int | None
    total_cost: float | None
    scorer_call_ids: dict[str, str]


class _Run(msgspec.Struct):
    trials: list[_Trial]


class _Row(msgspec.Struct):
    row_digest: str
    raw_data_row: msgspec.Raw
    evaluations: list[_Run]


class _Page(msgspec.Struct):
    rows: list[_Row]


class _Call(msgspec.Struct):
    id: str
    started_at: str
    ended_at: str | None
    exception: str | None


_PAGE, _CALL = msgspec.json.Decoder(_Page), msgspec.json.Decoder(_Call)


def _schema(*text: str, **others: Any) -> pa.Schema:
    fields = [pa.field("project_id", pa.string()), *(pa.field(name, pa.string()) for name in text)]
    return pa.schema(
        [*fields, *(kind.with_name(n) if kind is _JSON else pa.field(n, kind) for n, kind in others.items())]
    )


_INT, _FLOAT, _BOOL, _TEXT = pa.int64(), pa.float64(), pa.bool_(), pa.string()
SCHEMAS = {
    "evaluation_runs": _schema(
        *("run_id", "evaluation_ref", "model_ref", "display_name", "trace_id", "user_id", "error", "status"),
        started_at=_TIME,
        finished_at=_TIME,
        row_count=_INT,
        trial_count=_INT,
        output=_JSON,
        summary=_JSON,
        attributes=_JSON,
    ),
    "dataset_rows": _schema("row_digest", inputs=_JSON, input_ref=_TEXT, is_resolved=_BOOL),
    "result_rows": _schema("run_id", "result_row_id", "row_digest", trial_count=_INT),
    "trials": _schema(
        *("run_id", "trial_id", "result_row_id", "row_digest", "predict_call_id"),
        trial_index=_INT,
        output=_JSON,
        latency_seconds=_FLOAT,
        total_tokens=_INT,
        total_cost=_FLOAT,
        started_at=_TIME,
        finished_at=_TIME,
        is_error=_BOOL,
        error=_TEXT,
    ),
    "scores": _schema(
        *("run_id", "score_id", "trial_id", "row_digest", "scorer_name", "path", "value_type"),
        value_bool=_BOOL,
        value_number=_FLOAT,
        value_text=_TEXT,
        value_json=_JSON,
        scorer_call_id=_TEXT,
    ),
    "scorer_stats": _schema(
        *("run_id", "scorer_stat_id", "scorer_name", "path", "value_type"),
        trial_count=_INT,
        numeric_count=_INT,
        numeric_mean=_FLOAT,
        pass_known_count=_INT,
        pass_true_count=_INT,
        pass_rate=_FLOAT,
        pass_signal_coverage=_FLOAT,
    ),
}


class Floor:
    """Collects rows by table and inserts them when many have come together."""

    def __init__(self, warehouse: Warehouse):
        self._warehouse = warehouse
        self._batches: dict[str, list[pa.RecordBatch]] = {name: [] for name in SCHEMAS}
        self._digests: set[str] = set()
        warehouse.create(SCHEMAS)

    def add(self, table: str, rows: list[tuple[Any, ...]], *constants: str) -> None:
        """Adds rows whose first columns are constant."""
        schema, batches = SCHEMAS[table], self._batches[table]
        columns: list[pa.Array[Any]] = [pa.repeat(pa.scalar(text), len(rows)) for text in (PROJECT_ID, *constants)]
        varying = zip(zip(*rows, strict=True), list(schema)[len(columns) :], strict=True)
        columns += [_array(values, field.type) for values, field in varying]
        batches.append(pa.RecordBatch.from_arrays(columns, schema=schema))
        if sum(batch.num_rows for batch in batches) >= _BATCH_ROWS:
            self._insert(table)

    def _insert(self, table: str) -> None:
        if batches := self._batches[table]:
            self._warehouse.insert(table, pa.Table.from_batches(batches))
            self._batches[table] = []

    def finish(self) -> None:
        """Inserts what is left."""
        for table in SCHEMAS:
            self._insert(table)
        self._warehouse.close()

    def add_page(self, run_id: str, page: _Page, calls: dict[str, _Call]) -> None:
        """Adds the rows of a page of results."""
        result_rows: list[tuple[Any, ...]] = []
        trials: list[tuple[Any, ...]] = []
        scores: list[tuple[Any, ...]] = []
        for row in page.rows:
            row_id = f"{run_id}:{row.row_digest}"
            found = row.evaluations[0].trials
            result_rows.append((row_id, row.row_digest, len(found)))
            for index, trial in enumerate(found, 1):
                trials.append(_trial_row(row_id, row.row_digest, index, trial, calls))
                scores += _score_rows(row.row_digest, trial)
        new = [row for row in page.rows if row.row_digest not in self._digests]
        if new:
            self._digests.update(row.row_digest for row in new)
            self.add("dataset_rows", [(row.row_digest, bytes(row.raw_data_row), None, True) for row in new])
        self.add("result_rows", result_rows, run_id)
        self.add("trials", trials, run_id)
        self.add("scores", scores, run_id)


def _array(values: tuple[Any, ...], kind: pa.DataType) -> pa.Array[Any]:
    return pa.array(values).cast(kind) if kind == _TIME else pa.array(values, kind)


def _trial_row(row_id: str, digest: str, index: int, trial: _Trial, calls: dict[str, _Call]) -> tuple[Any, ...]:
    trial_id = trial.predict_and_score_call_id
    call = calls[trial_id]
    numbers = (trial.model_latency_seconds, trial.total_tokens, trial.total_cost)
    times = (call.started_at, call.ended_at)
    output = bytes(trial.model_output)
    error = call.exception
    return (trial_id, row_id, digest, trial.predict_call_id, index, output, *numbers, *times, error is not None, error)


def _score_rows(digest: str, trial: _Trial) -> Iterator[tuple[Any, ...]]:
    trial_id = trial.predict_and_score_call_id
    for scorer, output in trial.scores.items():
        call_id = trial.scorer_call_ids.get(scorer)
        for path, value in _leaves(output):
            score_id = f"{trial_id}:{scorer}:{path}"
            yield (score_id, trial_id, digest, scorer, path, *_typed(value), call_id)


def _leaves(value: Any, path: str = "") -> Iterable[tuple[str, Any]]:
    if not isinstance(value, dict):
        return ((path, value),)
    return (leaf for key, inner in value.items() for leaf in _leaves(inner, f"{path}.{key}" if path else key))


def _typed(value: Any) -> tuple[str, bool | None, float | None, str | None, str | None]:
    if isinstance(value, bool):
        return ("binary", value, None, None, None)
    if isinstance(value, (int, float)):
        return ("continuous", None, value, None, None)
    return ("text", None, None, value, None)


def _run_row(run: Json, rows: int, trials: int) -> tuple[Any, ...]:
    texts = (run["id"], run["inputs"]["self"], run["inputs"]["model"], run["display_name"], run["trace_id"])
    status = "failed" if run["exception"] else "completed"
    documents = (msgspec.json.encode(run[name]) for name in ("output", "summary", "attributes"))
    times = (run["started_at"], run["ended_at"])
    return (*texts, run["wb_user_id"], run["exception"], status, *times, rows, trials, *documents)


def _stat_row(run_id: str, stat: Json) -> tuple[Any, ...]:
    path = stat["path"] or ""
    names = SCHEMAS["scorer_stats"].names[5:]
    return (f"{run_id}:{stat['scorer_key']}:{path}", stat["scorer_key"], path, *(stat[name] for name in names))


def main(url: str, destination: str) -> None:
    """Loads everything."""
    download, floor = Download(url), Floor(open_warehouse(destination))
    runs = download.runs()
    row_counts: dict[str, int] = {}
    for run, body in zip(runs, download.summaries(runs), strict=True):
        answer = msgspec.json.decode(body)
        (summary,) = answer["summary"]["evaluations"]
        row_counts[run["id"]] = answer["total_rows"]
        floor.add("evaluation_runs", [_run_row(run, answer["total_rows"], summary["trial_count"])])
        floor.add("scorer_stats", [_stat_row(run["id"], stat) for stat in summary["scorer_stats"]], run["id"])
    calls: dict[str, _Call] = {}
    for run_id, offset, body in download.results(runs, row_counts):
        if offset < 0:
            calls = {call.id: call for call in _CALL.decode_lines(body)}
        else:
            floor.add_page(run_id, _PAGE.decode(body), calls)
    floor.finish()


if __name__ == "__main__":
    main(*sys.argv[1:])
