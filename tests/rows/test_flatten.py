from __future__ import annotations

import json
import math
from datetime import datetime, timedelta, timezone
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import astuple

from weave_eval.rows.arrow import record_batch
from weave_eval.rows.columns import Columns
from weave_eval.rows.flatten import (
    RunBatch,
    RunFlattener,
    RunReading,
    flatten_run,
    flatten_stats,
    leaf_id,
    leaves,
    tombstone,
    typed_value,
)
from weave_eval.tables import TABLES, TABLES_BY_NAME, Table
from weave_eval.weave.pages import Page, RunSummary, ScorerStat, parse_page
from weave_eval.weave.runs import Run, parse_run
from weave_eval.weave.trials import TrialCall

CONSTANTS = {"project_id": "acme/support", "run_id": "run-1", "_dlt_load_id": "load-99"}
START = datetime(2026, 11, 23, 12, 0, tzinfo=timezone.utc)

CALL = {
    "id": "run-1",
    "started_at": "2026-11-23T12:00:00.000001Z",
    "ended_at": "2026-11-23T12:10:00.000002Z",
    "exception": "run-error",
    "trace_id": "trace-2",
    "parent_id": "parent-3",
    "display_name": "display-4",
    "wb_user_id": "user-5",
    "inputs": {
        "self": "weave:///acme/support/object/evaluation-6:digest-7",
        "model": "weave:///acme/support/object/model-8:digest-9",
    },
    "attributes": {"_weave_eval_meta": {"imperative": True}, "weave": {"source_evaluation_run_id": "source-10"}},
    "output": {"output": 11},
    "summary": {"status_counts": {"error": 12}},
    "priority": 13,
}

TRIALS = [
    {
        "predict_and_score_call_id": "trial-b",
        "predict_call_id": "predict-14",
        "model_output": {"answer": 15},
        "scores": {"judge": {"passed": False, "detail": {"note": "sixteen", "parts": [17]}}, "length": 18.5},
        "model_latency_seconds": 19.5,
        "total_tokens": 20,
        "total_cost": 21.5,
        "scorer_call_ids": {"judge": "call-22", "length": "call-23"},
        "genai_span_ref": {"span": 24},
        "mood": "twenty-five",
    },
    {
        "predict_and_score_call_id": "trial-a",
        "predict_call_id": "predict-26",
        "model_output": "twenty-seven",
        "scores": {"exact": None},
        "model_latency_seconds": 28.5,
        "total_tokens": 29,
        "total_cost": 30.5,
    },
]
ANSWER = {
    "rows": [
        {
            "row_digest": "digest-31",
            "raw_data_row": {"question": 32},
            "evaluations": [
                {"evaluation_call_id": "another-run", "trials": [{"predict_and_score_call_id": "not-ours"}]},
                {"evaluation_call_id": "run-1", "trials": TRIALS},
            ],
            "split": "test-33",
        }
    ],
    "total_rows": 1,
}
CALLS = {
    "trial-b": TrialCall("trial-b", "run-1", START + timedelta(seconds=34), START + timedelta(seconds=35), "error-36"),
    "trial-a": TrialCall("trial-a", "run-1", START + timedelta(seconds=37), None, None),
}
STAT = {
    "scorer_key": "judge",
    "path": "detail.distance",
    "value_type": "continuous",
    "trial_count": 40,
    "numeric_count": 41,
    "numeric_mean": 42.5,
    "pass_known_count": 43,
    "pass_true_count": 44,
    "pass_rate": 0.45,
    "pass_signal_coverage": 0.46,
    "spread": 47,
}


def _table(columns: Columns) -> list[dict[str, Any]]:
    """Rows as the warehouse gets them, JSON columns decoded."""
    json_columns = [column.name for column in TABLES_BY_NAME[columns.table].columns if column.type == "json"]
    table: list[dict[str, Any]] = record_batch(columns, CONSTANTS).to_pylist()
    for row in table:
        for column in json_columns:
            row[column] = None if row[column] is None else json.loads(row[column])
    return table


def _parse(answer: dict[str, Any]) -> Page:
    return parse_page(json.dumps(answer).encode())


def _one_row(*trials: dict[str, Any], digest: str = "digest", **fields: Any) -> Page:
    evaluations = [{"evaluation_call_id": "run-1", "trials": list(trials)}]
    return _parse({"rows": [{"row_digest": digest, "evaluations": evaluations, **fields}]})


def _trial(trial_id: str, **fields: Any) -> dict[str, Any]:
    return {"predict_and_score_call_id": trial_id, **fields}


def _flatten(page: Page, calls: dict[str, TrialCall] | None = None) -> RunBatch:
    return RunFlattener("run-1", calls or {}).flatten(page)


def _run_row(run: Run) -> dict[str, Any]:
    row = flatten_run("a/b", run, RunReading("running", START, "u", None, None))
    return _table(Columns.of("evaluation_runs", [row]))[0]


def _scores(scores: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    rows = _table(_flatten(_one_row(_trial("t", scores=scores))).scores)
    return {(row["scorer_name"], row["path"]): row for row in rows}


def test_every_column_of_a_run_is_filled_from_its_own_field() -> None:
    flattener = RunFlattener("run-1", CALLS)
    flattener.flatten(_parse(ANSWER))
    reading = RunReading("abandoned", START + timedelta(hours=1), "https://url-48", "load-49", flattener.counts)
    run = parse_run(json.dumps(CALL).encode())
    rows = [flatten_run("acme/support", run, reading)]
    assert _table(Columns.of("evaluation_runs", rows)) == [
        {
            "project_id": "acme/support",
            "run_id": "run-1",
            "entity": "acme",
            "project": "support",
            "evaluation_ref": "weave:///acme/support/object/evaluation-6:digest-7",
            "evaluation_name": "evaluation-6",
            "evaluation_digest": "digest-7",
            "model_ref": "weave:///acme/support/object/model-8:digest-9",
            "model_name": "model-8",
            "model_digest": "digest-9",
            "display_name": "display-4",
            "status": "abandoned",
            "has_failed_trials": True,
            "error": "run-error",
            "started_at": START + timedelta(microseconds=1),
            "finished_at": START + timedelta(minutes=10, microseconds=2),
            "source_run_id": "source-10",
            "trace_id": "trace-2",
            "parent_id": "parent-3",
            "user_id": "user-5",
            "is_imperative": True,
            "row_count": 1,
            "trial_count": 2,
            "score_count": 5,
            "total_tokens": 49,
            "total_cost": 52.0,
            "output": CALL["output"],
            "summary": CALL["summary"],
            "attributes": CALL["attributes"],
            "url": "https://url-48",
            "deleted_at": None,
            "synced_at": START + timedelta(hours=1),
            "fingerprint": run.fingerprint,
            "results_load_id": "load-49",
            "extra": {"priority": 13},
            "_dlt_load_id": "load-99",
        }
    ]


def test_every_column_of_an_input_and_a_result_row_is_filled_from_its_own_field() -> None:
    batch = _flatten(_parse(ANSWER), CALLS)
    assert _table(batch.dataset_rows) == [
        {
            "project_id": "acme/support",
            "row_digest": "digest-31",
            "inputs": {"question": 32},
            "input_ref": None,
            "is_resolved": True,
            "_dlt_load_id": "load-99",
        }
    ]
    assert _table(batch.result_rows) == [
        {
            "project_id": "acme/support",
            "result_row_id": "run-1:digest-31",
            "run_id": "run-1",
            "row_digest": "digest-31",
            "trial_count": 2,
            "extra": {"split": "test-33"},
            "_dlt_load_id": "load-99",
        }
    ]


def test_every_column_of_a_trial_is_filled_from_its_own_field() -> None:
    same = {
        "project_id": "acme/support",
        "result_row_id": "run-1:digest-31",
        "run_id": "run-1",
        "row_digest": "digest-31",
        "_dlt_load_id": "load-99",
    }
    assert _table(_flatten(_parse(ANSWER), CALLS).trials) == [
        {
            **same,
            "trial_id": "trial-b",
            "trial_index": 1,
            "predict_call_id": "predict-14",
            "output": {"answer": 15},
            "latency_seconds": 19.5,
            "total_tokens": 20,
            "total_cost": 21.5,
            "started_at": START + timedelta(seconds=34),
            "finished_at": START + timedelta(seconds=35),
            "is_error": True,
            "error": "error-36",
            "extra": {"genai_span_ref": {"span": 24}, "mood": "twenty-five"},
        },
        {
            **same,
            "trial_id": "trial-a",
            "trial_index": 2,
            "predict_call_id": "predict-26",
            "output": "twenty-seven",
            "latency_seconds": 28.5,
            "total_tokens": 29,
            "total_cost": 30.5,
            "started_at": START + timedelta(seconds=37),
            "finished_at": None,
            "is_error": False,
            "error": None,
            "extra": None,
        },
    ]


def _score(trial_id: str, scorer: str, path: str, value_type: str, **fields: Any) -> dict[str, Any]:
    return {
        "project_id": "acme/support",
        "score_id": f"{trial_id}:{leaf_id(scorer, path)}",
        "trial_id": trial_id,
        "run_id": "run-1",
        "row_digest": "digest-31",
        "scorer_name": scorer,
        "path": path,
        "value_type": value_type,
        "value_bool": None,
        "value_number": None,
        "value_text": None,
        "value_json": None,
        "scorer_call_id": None,
        "_dlt_load_id": "load-99",
        **fields,
    }


def test_every_column_of_a_score_is_filled_from_its_own_field() -> None:
    assert _table(_flatten(_parse(ANSWER), CALLS).scores) == [
        _score("trial-b", "judge", "passed", "binary", value_bool=False, scorer_call_id="call-22"),
        _score("trial-b", "judge", "detail.note", "text", value_text="sixteen", scorer_call_id="call-22"),
        _score("trial-b", "judge", "detail.parts", "json", value_json=[17], scorer_call_id="call-22"),
        _score("trial-b", "length", "", "continuous", value_number=18.5, scorer_call_id="call-23"),
        _score("trial-a", "exact", "", "null"),
    ]


def test_every_column_of_a_stat_is_filled_from_its_own_field() -> None:
    evaluations = [{"evaluation_call_id": "run-1", "scorer_stats": [STAT]}]
    page = _parse({"rows": [], "summary": {"row_count": 1, "evaluations": evaluations}})
    assert page.summary is not None
    assert _table(Columns.of("scorer_stats", flatten_stats("run-1", page.summary.evaluations[0]))) == [
        {
            "project_id": "acme/support",
            "scorer_stat_id": f"run-1:{leaf_id('judge', 'detail.distance')}",
            "run_id": "run-1",
            "scorer_name": "judge",
            "path": "detail.distance",
            "value_type": "continuous",
            "trial_count": 40,
            "numeric_count": 41,
            "numeric_mean": 42.5,
            "pass_known_count": 43,
            "pass_true_count": 44,
            "pass_rate": 0.45,
            "pass_signal_coverage": 0.46,
            "is_computed": False,
            "extra": {"spread": 47},
            "_dlt_load_id": "load-99",
        }
    ]


def test_a_pass_rate_of_zero_is_a_value_and_a_missing_one_is_none() -> None:
    stats = [ScorerStat("a", None, pass_rate=0.0, numeric_mean=0.0), ScorerStat("b", "x")]
    zero, missing = _table(Columns.of("scorer_stats", flatten_stats("run-1", RunSummary("run-1", scorer_stats=stats))))
    assert (zero["path"], zero["pass_rate"], zero["numeric_mean"]) == ("", 0.0, 0.0)
    assert (missing["path"], missing["pass_rate"], missing["numeric_mean"]) == ("x", None, None)


def test_of_two_stats_under_one_path_the_first_is_kept() -> None:
    stats = [ScorerStat("judge", "a.b", trial_count=1), ScorerStat("judge", "a.b", trial_count=2)]
    rows = _table(Columns.of("scorer_stats", flatten_stats("run-1", RunSummary("run-1", scorer_stats=stats))))
    assert [row["trial_count"] for row in rows] == [1]


def test_a_run_whose_rows_were_not_read_has_no_counts() -> None:
    run = parse_run(b'{"id": "run-1", "started_at": "2026-11-23T12:00:00Z"}')
    row = _table(
        Columns.of("evaluation_runs", [flatten_run("a/b", run, RunReading("running", START, "u", None, None))])
    )[0]
    counts = ("row_count", "trial_count", "score_count", "total_tokens", "total_cost")
    assert [row[name] for name in (*counts, "results_load_id", "finished_at", "model_digest")] == [None] * 8


def test_a_run_without_tokens_and_costs_has_none_rather_than_zero() -> None:
    flattener = RunFlattener("run-1", {})
    flattener.flatten(_one_row(_trial("t")))
    assert (flattener.counts.tokens, flattener.counts.cost) == (None, None)
    flattener.flatten(_one_row(_trial("u", total_tokens=0, total_cost=0.0), digest="other"))
    assert (flattener.counts.tokens, flattener.counts.cost) == (0, 0.0)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=6), st.randoms())
def test_a_run_costs_the_same_in_whatever_order_its_pages_come(costs: list[float], random: Random) -> None:
    pages = [_one_row(_trial(f"t{n}", total_cost=cost), digest=f"row {n}") for n, cost in enumerate(costs)]
    totals = set()
    for _ in range(2):
        flattener = RunFlattener("run-1", {})
        for page in pages:
            flattener.flatten(page)
        totals.add(flattener.counts.cost)
        random.shuffle(pages)
    assert len(totals) == 1


def test_trials_are_numbered_by_start_then_id_and_unknown_starts_come_last() -> None:
    ids = ["unknown-2", "late", "early", "tie-b", "tie-a", "unknown-1"]
    starts = {"early": 1, "tie-a": 2, "tie-b": 2, "late": 3}
    calls = {each: TrialCall(each, "run-1", START + timedelta(hours=hour), None, None) for each, hour in starts.items()}
    rows = _table(_flatten(_one_row(*map(_trial, ids)), calls).trials)
    numbered = {row["trial_index"]: row["trial_id"] for row in rows}
    assert numbered == {1: "early", 2: "tie-a", 3: "tie-b", 4: "late", 5: "unknown-1", 6: "unknown-2"}


def test_without_its_call_nobody_knows_whether_a_trial_failed() -> None:
    row = _table(_flatten(_one_row(_trial("t"))).trials)[0]
    assert (row["is_error"], row["error"], row["started_at"], row["finished_at"]) == (None,) * 4


def test_the_number_of_a_trial_does_not_depend_on_the_order_of_the_answer() -> None:
    trials = [_trial(f"t{number}") for number in range(6)]
    forwards, backwards = _flatten(_one_row(*trials)), _flatten(_one_row(*reversed(trials)))
    assert forwards.trials == backwards.trials


def test_a_row_that_comes_again_on_the_next_page_counts_once() -> None:
    flattener = RunFlattener("run-1", {})
    trial = _trial("t", scores={"judge": {"a": 1, "b": 2, "c": 3}})
    first = flattener.flatten(_one_row(trial, digest="d1", raw_data_row=1))
    again = flattener.flatten(_one_row(trial, digest="d1", raw_data_row=1))
    other = flattener.flatten(_one_row(_trial("u"), digest="d2", raw_data_row=2))
    assert len(first.trials) == len(other.trials) == 1
    assert [len(columns) for columns in again.tables()] == [0, 0, 0, 0]
    assert (flattener.counts.rows, flattener.counts.trials, flattener.counts.scores) == (2, 2, 3)


@pytest.mark.parametrize(
    "ref",
    [
        "weave:///acme/support/object/cities:da7a/attr/rows/id/r0w",
        "weave-private://///object/secret:5ec/attr/rows/id/r0w",
    ],
)
def test_an_input_that_could_not_be_resolved_keeps_its_ref(ref: str) -> None:
    flattener = RunFlattener("run-1", {})
    row = _table(flattener.flatten(_one_row(raw_data_row=ref)).dataset_rows)[0]
    assert (row["inputs"], row["input_ref"], row["is_resolved"]) == (ref, ref, False)


@pytest.mark.parametrize("value", [{"a": 1}, {}, [], [1, {"b": None}], "text", "", 0, 7.5, True, False])
def test_inputs_and_outputs_are_any_json(value: Any) -> None:
    batch = _flatten(_one_row(_trial("t", model_output=value), raw_data_row=value))
    assert _table(batch.dataset_rows)[0]["inputs"] == value
    assert _table(batch.trials)[0]["output"] == value


def test_digits_of_inputs_and_outputs_survive_as_they_came() -> None:
    text = b'{"big":123456789012345678901234567890,"exact":0.10000000000000000555,"tiny":1e-400}'
    body = (
        b'{"rows":[{"row_digest":"d","raw_data_row":%b,"evaluations":[{"evaluation_call_id":"run-1",'
        b'"trials":[{"predict_and_score_call_id":"t","model_output":%b}]}]}]}' % (text, text)
    )
    batch = _flatten(parse_page(body))
    assert record_batch(batch.dataset_rows, CONSTANTS).to_pylist()[0]["inputs"] == text.decode()
    assert record_batch(batch.trials, CONSTANTS).to_pylist()[0]["output"] == text.decode()


@pytest.mark.parametrize("explicit", [{}, {"raw_data_row": None}])
@pytest.mark.parametrize("unknown", [{}, {"split": "test"}])
def test_an_input_that_is_null_is_one_only_if_inputs_were_asked_for(
    explicit: dict[str, Any], unknown: dict[str, Any]
) -> None:
    """Whether the field is null or missing, and whatever else is new in the answer."""
    page = _one_row(**explicit, **unknown)
    assert len(RunFlattener("run-1", {}, has_inputs=False).flatten(page).dataset_rows) == 0
    (row,) = _table(_flatten(page).dataset_rows)
    assert (row["row_digest"], row["inputs"], row["input_ref"]) == ("digest", None, None)


def test_a_span_ref_is_kept_in_extra() -> None:
    page = _one_row(_trial("t", genai_span_ref="span-1"), _trial("u", genai_span_ref=None))
    spanned, plain = _table(_flatten(page).trials)
    assert (spanned["extra"], plain["extra"]) == ({"genai_span_ref": "span-1"}, None)


KEYS = st.text(st.sampled_from("ab.\\ \u00e9"), max_size=4)
LEAF = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.integers())
NESTED: st.SearchStrategy[dict[str, Any]] = st.recursive(
    st.dictionaries(KEYS, LEAF, min_size=1, max_size=4),
    lambda inner: st.dictionaries(KEYS, inner | LEAF, min_size=1, max_size=4),
    max_leaves=15,
)
ANY_KEY = st.text(st.characters(categories=["L", "N", "P", "Z", "Cc", "So"]), max_size=6)
ANY_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_KEY,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_KEY, inner, max_size=4),
    max_leaves=12,
)


def _count_leaves(value: Any) -> int:
    return sum(map(_count_leaves, value.values())) if isinstance(value, dict) and value else 1


def _split(path: str) -> list[str]:
    """The keys that a path was joined from."""
    keys, escaped = [""], False
    for char in path:
        if escaped:
            keys[-1] += char
            escaped = False
        elif char == "\\":
            escaped = True
        elif char == ".":
            keys.append("")
        else:
            keys[-1] += char
    return keys


@given(NESTED)
def test_distinct_leaves_have_distinct_paths(output: dict[str, Any]) -> None:
    paths = [path for path, _ in leaves(output)]
    assert len(set(paths)) == len(paths) == _count_leaves(output)


@given(NESTED)
def test_a_path_leads_back_to_its_leaf(output: dict[str, Any]) -> None:
    for path, leaf in leaves(output):
        value: Any = output
        for key in _split(path):
            value = value[key]
        assert value is leaf


@pytest.mark.parametrize(
    ("output", "paths"),
    [
        (True, [""]),
        (None, [""]),
        ([], [""]),
        ({}, [""]),
        ({"a.b": 1}, ["a\\.b"]),
        ({"a": {"b": 1}}, ["a.b"]),
        ({"a\\": {"b": 1}}, ["a\\\\.b"]),
        ({"a\\.b": 1}, ["a\\\\\\.b"]),
        ({"": {"": 1}}, ["."]),
        ({"b": 1, "a": {"z": 2, "y": {}, "x": [{"deep": 3}]}, "c": 4}, ["b", "a.z", "a.y", "a.x", "c"]),
        ({"UPPER": 1, "upper": 2, "with space": 3, "😀": 4}, ["UPPER", "upper", "with space", "😀"]),
    ],
)
def test_paths_join_keys_with_dots_in_order(output: Any, paths: list[str]) -> None:
    assert [path for path, _ in leaves(output)] == paths


@given(st.text(), st.text(), st.text(), st.text())
def test_leaf_ids_differ_and_are_stable(scorer: str, path: str, other_scorer: str, other_path: str) -> None:
    same = (scorer, path) == (other_scorer, other_path)
    assert (leaf_id(scorer, path) == leaf_id(other_scorer, other_path)) is same


def test_leaf_ids_never_change_between_releases() -> None:
    assert leaf_id("judge", "detail.distance") == "5161f208935f325a"


@pytest.mark.parametrize(
    ("value", "typed"),
    [
        (None, ("null", None, None, None, None)),
        (True, ("binary", True, None, None, None)),
        (False, ("binary", False, None, None, None)),
        (1, ("continuous", None, 1.0, None, None)),
        (0, ("continuous", None, 0.0, None, None)),
        (-2.5, ("continuous", None, -2.5, None, None)),
        (2**63 - 1024, ("continuous", None, 2.0**63 - 1024, None, None)),
        (2**64 + 1, ("continuous", None, 2.0**64, "18446744073709551617", None)),
        (-(10**400), ("continuous", None, None, "-1" + "0" * 400, None)),
        (math.nan, ("continuous", None, None, "NaN", None)),
        (math.inf, ("continuous", None, None, "Infinity", None)),
        (-math.inf, ("continuous", None, None, "-Infinity", None)),
        ("", ("text", None, None, "", None)),
        ("true", ("text", None, None, "true", None)),
        ([], ("json", None, None, None, b"[]")),
        ({}, ("json", None, None, None, b"{}")),
        ([1, "a", {"b": None}], ("json", None, None, None, b'[1,"a",{"b":null}]')),
        ([math.nan, 2**70, "\u00e9"], ("json", None, None, None, b'[null,1180591620717411303424,"\xc3\xa9"]')),
    ],
)
def test_values_are_typed(value: Any, typed: tuple[Any, ...]) -> None:
    got = astuple(typed_value(value))
    assert got == typed
    assert [type(part) for part in got] == [type(part) for part in typed]


@given(st.integers(-(2**53), 2**53) | st.integers(2**53, 2**66) | st.integers(-(2**66), -(2**53)) | st.integers())
@example(2**53 + 1)
@example(-(2**63) + 1)
def test_no_digit_of_an_integer_is_lost(value: int) -> None:
    kind, _, number, text, _ = astuple(typed_value(value))
    assert kind == "continuous"
    assert text == str(value) or (text is None and number is not None and int(number) == value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_no_digit_of_a_finite_number_is_lost(value: float) -> None:
    assert astuple(typed_value(value)) == ("continuous", None, value, None, None)


@given(ANY_JSON)
def test_a_value_has_one_type_and_one_place(value: Any) -> None:
    kind, flag, number, text, encoded = astuple(typed_value(value))
    filled = {"bool": flag is not None, "number": number is not None, "text": text is not None, "json": bool(encoded)}
    places = {name for name, is_filled in filled.items() if is_filled}
    allowed: dict[str, list[set[str]]] = {
        "null": [set()],
        "binary": [{"bool"}],
        "continuous": [{"number"}, {"text"}, {"number", "text"}],
        "text": [{"text"}],
        "json": [{"json"}],
    }
    assert places in allowed[kind]


@given(st.dictionaries(ANY_KEY, ANY_JSON, max_size=4))
def test_any_scores_become_rows_with_distinct_keys(scores: dict[str, Any]) -> None:
    rows = _scores(scores)
    assert len(rows) == sum(map(_count_leaves, scores.values()))
    for row in rows.values():
        assert None not in (row["score_id"], row["scorer_name"], row["path"], row["value_type"])


def test_lists_nested_deeply_flatten() -> None:
    value: Any = 1
    for _ in range(450):
        value = [value]
    assert typed_value(value).type == "json"


def test_objects_nested_deeply_flatten() -> None:
    value: Any = 1
    for _ in range(2000):
        value = {"a": value}
    assert [path for path, _ in leaves(value)] == [".".join("a" * 2000)]


REPLACED_BY_RUN = [table for table in TABLES if table.replace == "run"]


@pytest.mark.parametrize("table", REPLACED_BY_RUN, ids=lambda table: table.name)
def test_a_tombstone_loads_and_is_told_from_every_real_row(table: Table) -> None:
    assert table.kept
    assert not table.column(table.kept).nullable
    (row,) = record_batch(Columns.of(table.name, [tombstone(table.name, "run-1")]), CONSTANTS).to_pylist()
    assert (row["run_id"], row[table.kept]) == ("run-1", "")
    assert [column.name for column in table.columns if not column.nullable and row[column.name] is None] == []


def test_a_run_reads_the_same_from_one_page_or_many() -> None:
    rows = [
        {
            "row_digest": f"d{number}",
            "raw_data_row": number,
            "evaluations": [{"evaluation_call_id": "run-1", "trials": [_trial(f"t{number}", scores={"s": number})]}],
        }
        for number in range(7)
    ]
    whole = RunFlattener("run-1", {})
    once = whole.flatten(_parse({"rows": rows}))
    paged = RunFlattener("run-1", {})
    parts = RunBatch.empty()
    for start in range(0, 7, 3):
        parts.extend(paged.flatten(_parse({"rows": rows[start : start + 3]})))
    assert once == parts
    assert whole.counts == paged.counts


def test_a_run_of_another_evaluation_is_not_mixed_in() -> None:
    batch = RunFlattener("run-2", {}).flatten(_parse(ANSWER))
    assert len(batch.trials) == 0
    assert _table(batch.result_rows)[0]["trial_count"] == 0


def test_rows_hold_no_raw_pieces_of_the_answer() -> None:
    """Raw pieces keep the whole answer in memory."""
    batch = _flatten(_parse(ANSWER), CALLS)
    values = [value for columns in batch.tables() for column in columns.values.values() for value in column]
    assert not any(isinstance(value, (msgspec.Raw, memoryview)) for value in values)


def test_the_evaluation_and_model_of_a_run_are_optional() -> None:
    run: Run = parse_run(b'{"id": "r", "started_at": "2026-11-23T12:00:00Z", "inputs": {"model": "gpt-5"}}')
    row = _table(
        Columns.of("evaluation_runs", [flatten_run("a/b", run, RunReading("running", START, "u", None, None))])
    )[0]
    names = ("evaluation_ref", "evaluation_name", "evaluation_digest", "model_ref", "model_digest")
    assert [row[name] for name in names] == [None] * 5
    assert row["model_name"] == "gpt-5"
