"""One load of a project that W&B's own SDK and API have filled, compared row by row with what the API says."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import pytest

from tests.loads import Place, kinds
from tests.tables_of import Row, Tables, ordered, tables_of
from tests.weave_server import damage
from tests.weave_server.fixtures import PROJECT, Snapshot
from tests.weave_server.process import WeaveServer
from weave_eval import LoadResult
from weave_eval.tables import TABLES_BY_NAME

SPAN = {"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "span_id": "00f067aa0ba902b7"}

STATUSES = {
    "class_model": ("completed", False),
    "function_model": ("completed", False),
    "model_raises": ("completed", True),
    "scorer_raises": ("failed", True),
    "summarize_raises": ("failed", True),
    "nested": ("completed", True),
    "logger_finished": ("completed", False),
    "logger_odd_inputs": ("completed", False),
    "logger_failed": ("failed", True),
    "logger_empty": ("completed", False),
    "logger_running": ("running", False),
    "v2": ("completed", False),
    "v2_running": ("running", False),
    "rescored": ("completed", False),
    "crashed": ("running", False),
    "bulk": ("completed", False),
}
"""Status and `has_failed_trials` of each run of the seeds."""

ROWS_AND_TRIALS = {
    "class_model": (3, 8),  # four dataset rows, two of them equal, two trials each
    "function_model": (3, 4),
    "model_raises": (3, 4),
    "scorer_raises": (3, 4),
    "summarize_raises": (3, 4),
    "nested": (3, 4),
    "logger_finished": (3, 3),
    "logger_odd_inputs": (3, 3),
    "logger_failed": (1, 1),
    "logger_empty": (0, 0),
    "logger_running": (1, 1),
    "v2": (2, 2),
    "v2_running": (2, 2),
    "rescored": (1, 1),
    "crashed": (4, 4),
    "bulk": (3, 6),
}
"""Rows and trials of each run of the seeds."""

NEVER_FILLED = {
    "evaluation_runs": {
        "deleted_at",  # no run is gone; see test_a_run_that_is_gone_is_marked_and_kept
        "total_cost",  # this server prices no model; see test_fields_of_a_newer_server
    },
    "trials": {"total_cost"},
    "result_rows": {"extra"},  # this server has no field of a row without a column of its own
    "scorer_stats": {"extra"},
}
"""Columns without a value anywhere in this project."""

MADE_WHILE_LOADING = {
    "evaluation_runs": {"synced_at", "fingerprint", "url"},
    "scores": {"score_id"},
    "scorer_stats": {"scorer_stat_id", "is_computed"},
}
"""Columns that no answer of the API holds; each has a test of its own."""


@dataclasses.dataclass(frozen=True)
class Loaded:
    """The project after one load."""

    place: Place
    ids: dict[str, str]
    result: LoadResult
    tables: Tables
    requests: dict[str, int]
    began: datetime
    ended: datetime

    def run(self, name: str) -> Row:
        return next(run for run in self.tables["evaluation_runs"] if run["run_id"] == self.ids[name])

    def of(self, table: str, name: str) -> list[Row]:
        """The rows that a table holds of a run."""
        return [row for row in self.tables[table] if row["run_id"] == self.ids[name]]


@pytest.fixture(scope="module")
def loaded(weave_server: WeaveServer, sdk_snapshot: Snapshot, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    weave_server.clear_faults()
    weave_server.configure()
    weave_server.load(sdk_snapshot.path)
    ids = {name: made for name, made in sdk_snapshot.ids.items() if name in STATUSES}
    (ids["bulk"],) = weave_server.bulk(PROJECT, rows=3, trials=2, scorers=2)
    make_unusual(weave_server, ids)
    place = Place(weave_server, PROJECT, tmp_path_factory.mktemp("loaded"))
    weave_server.clear_requests()
    began = datetime.now(timezone.utc)
    result = place.load()
    ended = datetime.now(timezone.utc)
    return Loaded(place, ids, result, place.tables(), kinds(weave_server), began, ended)


def make_unusual(server: WeaveServer, ids: dict[str, str]) -> None:
    """What the seeds lack: inputs that cannot be resolved, fields that are rarely filled."""
    lose_rows(server, ids["summarize_raises"], "weave:///secret-team/x/object/rows:digest", "private")
    lose_rows(server, ids["nested"], f"weave:///{PROJECT}/object/gone:digest", "gone")
    server.patch_call(PROJECT, ids["v2"], wb_run_id=f"{PROJECT}/training-run-77")
    trial = damage.trial_ids(server, PROJECT, ids["v2"])[0]
    predict = next(call for call in server.calls(PROJECT, parent_ids=[trial]) if ".predict" in call["op_name"])
    server.patch_call(PROJECT, predict["id"], attributes={"weave": {"genai_span_ref": [SPAN]}})


def lose_rows(server: WeaveServer, run_id: str, dataset: str, mark: str) -> None:
    """Makes a run's trials refer to rows of a dataset that cannot be read; their digests start with `mark`."""
    for trial in server.calls(PROJECT, call_ids=damage.trial_ids(server, PROJECT, run_id)):
        row = trial["inputs"]["example"].rsplit("/", 1)[-1]
        example = f"{dataset}/attr/rows/id/{mark}{row[len(mark) :]}"
        server.patch_call(PROJECT, trial["id"], inputs={**trial["inputs"], "example": example})


@dataclasses.dataclass(frozen=True)
class Truth:
    """What the API itself says."""

    server: WeaveServer
    ids: dict[str, str]

    def calls(self) -> list[Row]:
        return self.server.calls(PROJECT, op_names=[f"weave:///{PROJECT}/op/Evaluation.evaluate:*"])

    def results(self, run_id: str) -> list[Row]:
        body = {"evaluation_call_ids": [run_id], "include_raw_data_rows": True, "resolve_row_refs": True}
        rows: list[Row] = self.server.api("POST", f"/v2/{PROJECT}/eval_results/query", body).json()["rows"]
        return rows

    def stats(self, run_id: str) -> list[Row]:
        body = {"evaluation_call_ids": [run_id], "include_rows": False, "include_summary": True}
        answer = self.server.api("POST", f"/v2/{PROJECT}/eval_results/query", body).json()
        return [stat for run in answer["summary"]["evaluations"] for stat in run["scorer_stats"]]

    def trials(self) -> Iterator[tuple[str, Row, Row]]:
        """Run id, row and trial of every trial."""
        for run_id in self.ids.values():
            for row in self.results(run_id):
                for trial in row["evaluations"][0]["trials"]:
                    yield run_id, row, trial


@pytest.fixture(scope="module")
def truth(loaded: Loaded) -> Truth:
    return Truth(loaded.place.server, loaded.ids)


def moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None


def name_and_digest(ref: str | None) -> tuple[str | None, str | None]:
    if ref is None:
        return None, None
    name, digest = ref.rsplit("/", 1)[-1].split(":")
    return name, digest


def storable(value: Any) -> Any:
    """JSON as warehouses can hold it: without NUL."""
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, list):
        return [storable(item) for item in value]
    if isinstance(value, dict):
        return {key: storable(item) for key, item in value.items()}
    return value


def assert_same(found: list[Row], expected: list[Row], table: str) -> None:
    """Every declared column is compared, but for those made while loading."""
    unknown = MADE_WHILE_LOADING.get(table, set()) | {"_dlt_load_id", "results_load_id"}
    compared = {column.name for column in TABLES_BY_NAME[table].columns} - unknown
    assert {frozenset(row) for row in expected} == {frozenset(compared)}
    assert ordered([{name: row[name] for name in compared} for row in found]) == ordered(expected)


def test_every_run_is_there(loaded: Loaded, truth: Truth) -> None:
    assert {call["id"] for call in truth.calls()} == set(loaded.ids.values())
    assert loaded.result.report.runs_read == len(STATUSES)
    found = {name: (loaded.run(name)["status"], loaded.run(name)["has_failed_trials"]) for name in STATUSES}
    running = {name: (status, None) for name, (status, _) in STATUSES.items() if status == "running"}
    assert {**found, **{name: (found[name][0], None) for name in running}} == {**STATUSES, **running}


def test_rows_and_trials_of_every_run(loaded: Loaded) -> None:
    runs = {name: loaded.run(name) for name in STATUSES}
    assert {name: (run["row_count"], run["trial_count"]) for name, run in runs.items()} == ROWS_AND_TRIALS
    tables = {name: (len(loaded.of("result_rows", name)), len(loaded.of("trials", name))) for name in STATUSES}
    assert tables == ROWS_AND_TRIALS


def test_runs(loaded: Loaded, truth: Truth) -> None:
    assert_same(
        loaded.tables["evaluation_runs"], [expected_run(truth, call) for call in truth.calls()], "evaluation_runs"
    )


def expected_run(truth: Truth, call: Row) -> Row:
    name = next(name for name, run_id in truth.ids.items() if run_id == call["id"])
    evaluation, model = call["inputs"]["self"], call["inputs"]["model"]
    trials = [trial for row in truth.results(call["id"]) for trial in row["evaluations"][0]["trials"]]
    tokens = [trial["total_tokens"] for trial in trials if trial["total_tokens"] is not None]
    return {
        "project_id": PROJECT,
        "run_id": call["id"],
        "entity": "acme",
        "project": "support-bot",
        "evaluation_ref": evaluation,
        "evaluation_name": name_and_digest(evaluation)[0],
        "evaluation_digest": name_and_digest(evaluation)[1],
        "model_ref": model,
        "model_name": name_and_digest(model)[0],
        "model_digest": name_and_digest(model)[1],
        "display_name": call["display_name"],
        "status": STATUSES[name][0],
        "has_failed_trials": has_failed(call),
        "error": call["exception"],
        "started_at": moment(call["started_at"]),
        "finished_at": moment(call["ended_at"]),
        "source_run_id": truth.ids["v2"] if name == "rescored" else None,
        "trace_id": call["trace_id"],
        "parent_id": call["parent_id"],
        "user_id": call["wb_user_id"],
        "is_imperative": name.startswith("logger_"),
        "row_count": ROWS_AND_TRIALS[name][0],
        "trial_count": ROWS_AND_TRIALS[name][1],
        "score_count": sum(1 for trial in trials for output in trial["scores"].values() for _ in score_rows(output)),
        "total_tokens": sum(tokens) if tokens else None,
        "total_cost": None,
        "output": storable(call["output"]),
        "summary": storable(call["summary"]),
        "attributes": call["attributes"],
        "deleted_at": None,
        "extra": {"wb_run_id": f"{PROJECT}/training-run-77"} if name == "v2" else None,
    }


def has_failed(call: Row) -> bool | None:
    counts = (call["summary"] or {}).get("status_counts")
    status = (call["summary"] or {}).get("weave", {}).get("status")
    if counts is None and status not in ("success", "descendant_error"):
        return None
    return bool(counts and counts["error"]) or status == "descendant_error"


def test_what_the_load_adds_to_a_run(loaded: Loaded) -> None:
    (load_id,) = loaded.result.load_ids
    for run in loaded.tables["evaluation_runs"]:
        assert run["url"] == f"{loaded.place.server.url}/{PROJECT}/r/call/{run['run_id']}"
        assert loaded.began <= run["synced_at"] <= loaded.ended
        assert run["results_load_id"] == load_id
    for table in ("evaluation_runs", "dataset_rows", "result_rows", "trials", "scores", "scorer_stats"):
        assert {row["_dlt_load_id"] for row in loaded.tables[table]} == {load_id}
        assert {row["project_id"] for row in loaded.tables[table]} == {PROJECT}


def test_dataset_rows(loaded: Loaded, truth: Truth) -> None:
    rows = {row["row_digest"]: row["raw_data_row"] for run_id in loaded.ids.values() for row in truth.results(run_id)}
    unresolved = {digest for digest, value in rows.items() if str(value).startswith(("weave:", "weave-private:"))}
    expected = [
        {
            "project_id": PROJECT,
            "row_digest": digest,
            "inputs": value,
            "input_ref": value if digest in unresolved else None,
            "is_resolved": digest not in unresolved,
        }
        for digest, value in rows.items()
    ]
    assert_same(loaded.tables["dataset_rows"], expected, "dataset_rows")
    assert len(unresolved) == 6


def test_inputs_that_are_no_object(loaded: Loaded) -> None:
    digests = {row["row_digest"] for row in loaded.of("result_rows", "logger_odd_inputs")}
    inputs = [row["inputs"] for row in loaded.tables["dataset_rows"] if row["row_digest"] in digests]
    assert sorted(map(repr, inputs)) == ["'just text'", "42", "['x', 'y']"]


@pytest.mark.parametrize(("name", "start"), [("nested", "weave:///"), ("summarize_raises", "weave-private://")])
def test_inputs_that_cannot_be_resolved_are_kept_as_refs(loaded: Loaded, name: str, start: str) -> None:
    digests = {row["row_digest"] for row in loaded.of("result_rows", name)}
    rows = [row for row in loaded.tables["dataset_rows"] if row["row_digest"] in digests]
    assert len(rows) == 3
    assert [row["is_resolved"] for row in rows] == [False] * 3
    assert all(row["input_ref"].startswith(start) for row in rows)


@pytest.mark.parametrize("name", ["nested", "summarize_raises"])
def test_inputs_that_cannot_be_resolved_are_warned_of(loaded: Loaded, name: str) -> None:
    warnings = [text for text in loaded.result.report.warnings if loaded.ids[name] in text]
    assert len(warnings) == 1
    assert "ref" in warnings[0]


def test_changed_texts_are_warned_of(loaded: Loaded) -> None:
    (warning,) = [text for text in loaded.result.report.warnings if loaded.ids["function_model"] in text]
    assert "4 texts with NUL" in warning


def test_result_rows(loaded: Loaded, truth: Truth) -> None:
    expected = [
        {
            "project_id": PROJECT,
            "result_row_id": f"{run_id}:{row['row_digest']}",
            "run_id": run_id,
            "row_digest": row["row_digest"],
            "trial_count": len(row["evaluations"][0]["trials"]),
            "extra": None,
        }
        for run_id in loaded.ids.values()
        for row in truth.results(run_id)
    ]
    assert_same(loaded.tables["result_rows"], expected, "result_rows")


def test_trials(loaded: Loaded, truth: Truth) -> None:
    calls = {
        call["id"]: call
        for run_id in loaded.ids.values()
        for call in loaded.place.server.calls(PROJECT, parent_ids=[run_id])
    }
    expected = []
    for run_id, row, trial in truth.trials():
        trial_id = trial["predict_and_score_call_id"]
        siblings = [each["predict_and_score_call_id"] for each in row["evaluations"][0]["trials"]]
        siblings.sort(key=lambda each: (moment(calls[each]["started_at"]), each))
        error = error_of(loaded.place.server, calls[trial_id])
        expected.append(
            {
                "project_id": PROJECT,
                "trial_id": trial_id,
                "result_row_id": f"{run_id}:{row['row_digest']}",
                "run_id": run_id,
                "row_digest": row["row_digest"],
                "trial_index": siblings.index(trial_id) + 1,
                "predict_call_id": trial["predict_call_id"],
                "output": storable(trial["model_output"]),
                "latency_seconds": trial["model_latency_seconds"],
                "total_tokens": trial["total_tokens"],
                "total_cost": None,
                "started_at": moment(calls[trial_id]["started_at"]),
                "finished_at": moment(calls[trial_id]["ended_at"]),
                "is_error": error is not None,
                "error": error,
                "extra": {"genai_span_ref": trial["genai_span_ref"]} if trial["genai_span_ref"] else None,
            }
        )
    assert_same(loaded.tables["trials"], expected, "trials")


def error_of(server: WeaveServer, trial: Row) -> str | None:
    """The error of a trial, or of the first of its children that failed."""
    children = server.calls(PROJECT, parent_ids=[trial["id"]])  # by start
    return next((call["exception"] for call in (trial, *children) if call["exception"]), None)


@pytest.mark.parametrize(
    ("name", "word", "failed"),
    [
        ("model_raises", "no atlas page for Chad", 1),
        ("scorer_raises", "scorer divides by zero on Lima", 2),
        ("class_model", "", 0),
    ],
)
def test_errors_of_trials(loaded: Loaded, name: str, word: str, failed: int) -> None:
    errors = [trial["error"] for trial in loaded.of("trials", name) if trial["is_error"]]
    assert len(errors) == failed
    assert all(word in error for error in errors)


def test_trials_of_a_row_are_numbered(loaded: Loaded) -> None:
    numbers: dict[str, list[int]] = {}
    for trial in loaded.of("trials", "class_model"):
        numbers.setdefault(trial["row_digest"], []).append(trial["trial_index"])
    assert sorted(sorted(each) for each in numbers.values()) == [[1, 2], [1, 2], [1, 2, 3, 4]]


def test_outputs_of_any_type(loaded: Loaded) -> None:
    finished = [trial["output"] for trial in loaded.of("trials", "logger_finished")]
    odd = [trial["output"] for trial in loaded.of("trials", "logger_odd_inputs")]
    assert sorted(map(repr, finished)) == ["'a bare string'", "3.14159", "{'text': 'hi'}"]
    assert sorted(map(repr, odd)) == ["None", "True", "['a', 'list']"]
    assert all("\u2028 1180591620717411303424" in trial["output"] for trial in loaded.of("trials", "function_model"))


def test_nested_run_names_the_call_that_started_it(loaded: Loaded, truth: Truth) -> None:
    (parent,) = truth.server.calls(PROJECT, call_ids=[loaded.run("nested")["parent_id"]])
    assert "/op/nightly:" in parent["op_name"]
    assert {loaded.run(name)["parent_id"] for name in STATUSES if name != "nested"} == {None}


def flat(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The leaves of a scorer's output: lists and empty objects count as leaves."""
    if not isinstance(value, dict) or not value:
        yield path, value
    else:
        for key, inner in value.items():
            name = key.replace("\\", "\\\\").replace(".", "\\.")
            yield from flat(name if path is None else f"{path}.{name}", inner)


def score_rows(output: Any) -> Iterator[Row]:
    for path, value in flat(None, output):  # type: ignore[arg-type]
        kind = {bool: "binary", int: "continuous", float: "continuous", str: "text", type(None): "null"}
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        yield {
            "path": path or "",
            "value_type": kind.get(type(value), "json"),
            "value_bool": value if isinstance(value, bool) else None,
            "value_number": float(value) if is_number else None,
            "value_text": storable(value) if isinstance(value, str) else None,
            "value_json": value if isinstance(value, (list, dict)) else None,
        }


def test_scores(loaded: Loaded, truth: Truth) -> None:
    expected = [
        {
            "project_id": PROJECT,
            "trial_id": trial["predict_and_score_call_id"],
            "run_id": run_id,
            "row_digest": row["row_digest"],
            "scorer_name": scorer,
            "scorer_call_id": trial["scorer_call_ids"].get(scorer),
            **leaf,
        }
        for run_id, row, trial in truth.trials()
        for scorer, output in trial["scores"].items()
        for leaf in score_rows(output)
    ]
    assert_same(loaded.tables["scores"], expected, "scores")


def test_scores_of_every_shape(loaded: Loaded) -> None:
    trial_id = loaded.of("trials", "function_model")[0]["trial_id"]
    scores = [score for score in loaded.tables["scores"] if score["trial_id"] == trial_id]
    shapes = {score["path"]: score for score in scores if score["scorer_name"] == "shapes"}
    numbers = {path: score["value_number"] for path, score in shapes.items() if score["value_type"] == "continuous"}
    assert numbers == {
        "a\\.b": 1.5, "a.b": 2.5, "🎯": 3.0, "UPPER": 4.0, "upper": 5.0, "": 6.0, "huge": float(2**70),
    }  # fmt: skip
    assert shapes["with space"]["value_bool"] is True
    assert (shapes["listed"]["value_json"], shapes["empty"]["value_json"]) == ([1, "two", None], {})
    assert (shapes["nothing"]["value_type"], shapes["nul"]["value_text"]) == ("null", "a\ufffdb")
    others = {score["scorer_name"]: score["value_type"] for score in scores if score["scorer_name"] != "shapes"}
    assert others == {
        "closeness": "continuous",
        "verdict": "text",
        "nothing": "null",
        "listed": "json",
        "empty": "json",
    }


@pytest.mark.parametrize(("table", "key"), [("scores", "score_id"), ("scorer_stats", "scorer_stat_id")])
def test_ids_that_are_made_tell_all_rows_apart(loaded: Loaded, table: str, key: str) -> None:
    made = [row[key] for row in loaded.tables[table]]
    assert len(set(made)) == len(made) > 20
    owner = "trial_id" if table == "scores" else "run_id"
    assert all(row[key].startswith(row[owner]) for row in loaded.tables[table])


def test_scorer_stats(loaded: Loaded, truth: Truth) -> None:
    expected: dict[tuple[str, str, str], Row] = {}
    for run_id in loaded.ids.values():
        for stat in truth.stats(run_id):
            key = (run_id, stat["scorer_key"], stat["path"] or "")
            numbers = {name: value for name, value in stat.items() if name not in ("scorer_key", "path")}
            named = {"run_id": run_id, "scorer_name": key[1], "path": key[2], "project_id": PROJECT, "extra": None}
            expected.setdefault(key, {**named, **numbers})
    assert_same(loaded.tables["scorer_stats"], list(expected.values()), "scorer_stats")
    rates = [stat["pass_rate"] for stat in loaded.of("scorer_stats", "scorer_raises")]
    assert 0.0 in rates


@pytest.mark.parametrize(
    "table", ["evaluation_runs", "dataset_rows", "result_rows", "trials", "scores", "scorer_stats"]
)
def test_every_column_is_filled_somewhere(loaded: Loaded, table: str) -> None:
    filled = {name for row in loaded.tables[table] for name, value in row.items() if value is not None}
    declared = {column.name for column in TABLES_BY_NAME[table].columns}
    assert declared - filled == NEVER_FILLED.get(table, set())


def test_requests_of_the_first_load(loaded: Loaded) -> None:
    runs = len(STATUSES)
    assert loaded.requests == {"listing": 1, "trial_calls": 4, "count": 6, "page": runs, "summary": runs}


def test_fields_of_a_newer_server(server: WeaveServer, tmp_path: Any) -> None:
    (run_id,) = server.bulk(PROJECT, rows=1, scorers=0)
    trial = {
        "predict_and_score_call_id": "trial-1",
        "total_cost": 0.125,
        "scores": {"tone": 0.5},
        "mood": "sunny",
    }
    stat = {"scorer_key": "tone", "path": None, "value_type": "continuous", "spread": 0.75}
    answer = {
        "rows": [
            {
                "row_digest": "digest-1",
                "raw_data_row": {"seat": 7},
                "evaluations": [{"evaluation_call_id": run_id, "trials": [trial]}],
                "weight": 3,
            }
        ],
        "total_rows": 1,
        "summary": {"row_count": 1, "evaluations": [{"evaluation_call_id": run_id, "scorer_stats": [stat]}]},
    }
    place = Place(server, PROJECT, tmp_path)
    with server.faulty({"kind": "200", "match": "eval_results", "body": answer}):
        place.load()
    tables = tables_of(place.file)
    assert [row["extra"] for row in tables["trials"]] == [{"mood": "sunny"}]
    assert [row["extra"] for row in tables["result_rows"]] == [{"weight": 3}]
    assert [row["extra"] for row in tables["scorer_stats"]] == [{"spread": 0.75}]
    assert [row["total_cost"] for row in tables["trials"] + tables["evaluation_runs"]] == [0.125, 0.125]
