from __future__ import annotations

import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weave_eval.errors import UnreadableBodyError
from weave_eval.rows.flatten import RunFlattener
from weave_eval.weave.pages import Page, parse_page

TRIAL = {
    "predict_and_score_call_id": "trial-1",
    "predict_call_id": "predict-2",
    "model_output": {"answer": "three", "parts": [4, None, {"deep": 5.5}]},
    "scores": {"judge": {"passed": True, "note": "six"}, "length": 7, "ratio": 8.5, "none": None, "list": [9]},
    "model_latency_seconds": 10.5,
    "total_tokens": 11,
    "total_cost": 12.5,
    "scorer_call_ids": {"judge": "call-13", "length": "call-14"},
    "genai_span_ref": "span-15",
}
ANSWER = {
    "rows": [
        {
            "row_digest": "digest-16",
            "raw_data_row": {"question": "seventeen"},
            "evaluations": [{"evaluation_call_id": "run-18", "trials": [TRIAL]}],
        },
        {"row_digest": "digest-19", "raw_data_row": "twenty", "evaluations": []},
    ],
    "total_rows": 21,
    "summary": None,
    "warnings": ["warning-22"],
}


def _parse(answer: Any) -> Page:
    return parse_page(json.dumps(answer).encode())


def _content(page: Page) -> Any:
    """What a page says, with raw JSON decoded."""
    return [
        page.total_rows,
        page.warnings,
        [
            [
                row.row_digest,
                _json(row.raw_data_row),
                [
                    [each.evaluation_call_id, [_trial_content(trial) for trial in each.trials]]
                    for each in row.evaluations
                ],
            ]
            for row in page.rows
        ],
    ]


def _trial_content(trial: Any) -> dict[str, Any]:
    raw = {"model_output": _json(trial.model_output), "genai_span_ref": _json(trial.genai_span_ref)}
    plain = {name: getattr(trial, name) for name in trial.__struct_fields__ if name != "extra" and name not in raw}
    return plain | raw


def _json(raw: bytes | msgspec.Raw | None) -> Any:
    return None if raw is None else json.loads(bytes(raw))


def _changed(path: list[Any], value: Any) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(json.dumps(ANSWER))
    inner: Any = answer
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return answer


TRIAL_PATH = ["rows", 0, "evaluations", 0, "trials", 0]


def test_every_field_is_read_from_its_own_place() -> None:
    page = _parse(ANSWER)
    assert _content(page) == [
        21,
        ["warning-22"],
        [
            ["digest-16", {"question": "seventeen"}, [["run-18", [TRIAL]]]],
            ["digest-19", "twenty", []],
        ],
    ]
    assert page.body_bytes == len(json.dumps(ANSWER))
    assert page.summary is None
    assert (page.changes.texts, page.changes.numbers) == (0, 0)


@pytest.mark.parametrize(
    "path",
    [["future"], ["rows", 1, "future"], ["rows", 0, "evaluations", 0, "future"], [*TRIAL_PATH, "future"]],
    ids=["answer", "row", "run", "trial"],
)
def test_an_unknown_field_changes_nothing_else(path: list[Any]) -> None:
    assert _content(_parse(_changed(path, {"new": 1}))) == _content(_parse(ANSWER))


@pytest.mark.parametrize("path", [["rows", 0, "future"], [*TRIAL_PATH, "future"]], ids=["row", "trial"])
def test_an_unknown_field_of_a_row_or_trial_lands_in_its_extra(path: list[Any]) -> None:
    page = _parse(_changed(path, {"new": [1, None]}))
    trial = page.rows[0].evaluations[0].trials[0]
    extras = [page.rows[0].extra, trial.extra]
    assert [_json(extra) for extra in extras if extra] == [{"future": {"new": [1, None]}}]
    assert page.rows[1].extra is None


def test_an_unknown_field_of_a_rows_run_is_kept_too() -> None:
    page = _parse(_changed(["rows", 0, "evaluations", 0, "future"], "news"))
    rows = vars(RunFlattener("run-18", {}).flatten(page))
    assert b"news" in repr(rows).encode()


def test_an_unknown_field_that_is_null_is_nothing() -> None:
    assert _parse(_changed([*TRIAL_PATH, "future"], None)).rows[0].evaluations[0].trials[0].extra is None


@pytest.mark.parametrize("name", [name for name in TRIAL if name != "predict_and_score_call_id"])
@pytest.mark.parametrize("future", [None, 1], ids=["known", "unknown"])
def test_every_field_of_a_trial_but_its_id_may_be_null_or_missing(name: str, future: int | None) -> None:
    answer = _changed([*TRIAL_PATH, name], None)
    if future:
        answer["future"] = future
    null = _content(_parse(answer))
    del answer["rows"][0]["evaluations"][0]["trials"][0][name]
    assert _content(_parse(answer)) == null
    assert null[2][0][2][0][1][0][name] is None


@pytest.mark.parametrize("future", [None, 1], ids=["known", "unknown"])
def test_empty_parts_are_read_as_empty(future: int | None) -> None:
    answer: dict[str, Any] = {"rows": [{"row_digest": "d", "evaluations": [{"evaluation_call_id": "r"}]}]}
    if future:
        answer["future"] = future
    page = _parse(answer)
    assert page.rows[0].evaluations[0].trials == []
    assert (page.total_rows, page.warnings) == (None, None)
    answer["rows"] = [{"row_digest": "d"}]
    assert _parse(answer).rows[0].evaluations == []


def test_texts_that_cannot_be_stored_are_cleaned_wherever_they_are() -> None:
    trial = {
        "predict_and_score_call_id": "t",
        "model_output": "out\0",
        "scores": {"judge\0": {"key\ud800": "value\udfff", "nan": math.nan}},
        "scorer_call_ids": {"judge\0": "call-1"},
        "future": "extra\0",
    }
    runs = [{"evaluation_call_id": "run-1", "trials": [trial]}]
    page = _parse({"rows": [{"row_digest": "d", "raw_data_row": ["in\0", math.inf], "evaluations": runs}]})
    read = page.rows[0].evaluations[0].trials[0]
    assert _json(page.rows[0].raw_data_row) == ["in\ufffd", None]
    assert _json(read.model_output) == "out\ufffd"
    assert _json(read.extra) == {"future": "extra\ufffd"}
    assert read.scores is not None
    scores = read.scores["judge\ufffd0000"]
    assert scores["key\ufffdd800"] == "value\ufffd"
    assert math.isnan(scores["nan"])
    assert page.changes.numbers == 1
    assert page.changes.texts >= 6


def test_a_scorer_whose_name_is_cleaned_keeps_its_call() -> None:
    answer = _changed([*TRIAL_PATH, "scores"], {"judge\0": 1})
    answer["rows"][0]["evaluations"][0]["trials"][0]["scorer_call_ids"] = {"judge\0": "call-1"}
    scores = RunFlattener("run-18", {}).flatten(_parse(answer)).scores
    assert (scores["scorer_name"], scores["scorer_call_id"]) == (["judge\ufffd0000"], ["call-1"])


def test_scorers_whose_names_differ_in_what_cannot_be_stored_stay_apart_as_their_stats_do() -> None:
    names = ("judge\0", "judge\ufffd", "judge\udfff")
    answer = _changed([*TRIAL_PATH, "scores"], dict.fromkeys(names, 1))
    stats = [{"scorer_key": name, "path": name} for name in names]
    answer["summary"] = {"evaluations": [{"evaluation_call_id": "run-18", "scorer_stats": stats}]}
    page = _parse(answer)
    found = list(RunFlattener("run-18", {}).flatten(page).scores["scorer_name"])
    assert found == ["judge\ufffd0000", "judge\ufffd", "judge\ufffddfff"]
    assert page.summary is not None
    assert [(stat.scorer_key, stat.path) for stat in page.summary.evaluations[0].scorer_stats] == [
        (n, n) for n in found
    ]


@pytest.mark.parametrize("bad", [b"\xff", b"\xed\xa0\x80", b"\xc3"])
@pytest.mark.parametrize("where", [b"answer", b"question", b"six", b"seventeen", b"three"])
def test_invalid_utf8_is_replaced(where: bytes, bad: bytes) -> None:
    page = parse_page(json.dumps(ANSWER).encode().replace(where, b"<" + bad + b">"))
    batch = RunFlattener("run-18", {}).flatten(page)
    texts = [bytes(page.rows[0].raw_data_row), bytes(page.rows[0].evaluations[0].trials[0].model_output)]
    assert "\ufffd" in b"".join(texts).decode() + repr(batch.scores)


def test_numbers_out_of_range_in_an_output_are_no_obstacle() -> None:
    body = json.dumps(ANSWER).encode().replace(b"5.5", b"1e999").replace(b"8.5", b"-1e999")
    trial = parse_page(body).rows[0].evaluations[0].trials[0]
    assert trial.scores is not None
    assert trial.scores["ratio"] == -math.inf


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("total_tokens", 11.0),
        ("total_tokens", "eleven"),
        ("model_latency_seconds", "fast"),
        ("total_cost", {"usd": 1}),
        ("predict_call_id", 5),
        ("scorer_call_ids", {"judge": None, "length": "call-14"}),
        ("scorer_call_ids", []),
        ("scores", [1]),
        ("scores", "weave:///acme/support/object/scores:5c"),
    ],
)
def test_a_field_of_another_type_does_not_break_the_rows(name: str, value: Any) -> None:
    """It is either read as what it should be, or the answer is refused as unreadable; nothing odd goes on."""
    try:
        page = _parse(_changed([*TRIAL_PATH, name], value))
    except UnreadableBodyError:
        return
    trial = page.rows[0].evaluations[0].trials[0]
    fields = {field: getattr(trial, field) for field in trial.__struct_fields__ if field not in ("scores", "extra")}
    raw = {"model_output", "genai_span_ref"}
    msgspec.convert({field: kept for field, kept in fields.items() if field not in raw}, type(trial))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"7",
        b"{}",
        b'"rows"',
        b"<html></html>",
        b'{"rows": null}',
        b'{"reason": "Internal server error"}',
        b'{"rows": [1]}',
        b'{"rows": [{}]}',
        b'{"rows": [{"row_digest": "d", "evaluations": [{"trials": []}]}]}',
        b'{"rows": [{"row_digest": "d", "evaluations": [{"evaluation_call_id": "r", "trials": [{}]}]}]}',
        b'{"rows": [], "summary": 3}',
        b'{"rows": [], "summary": {"evaluations": [{}]}}',
        b'{"rows": [], "summary": {"evaluations": [{"evaluation_call_id": "r", "scorer_stats": [{}]}]}}',
        b"[" * 100_000,
    ],
    ids=lambda body: body[:40].decode(),
)
def test_what_is_no_page_is_unreadable(body: bytes) -> None:
    with pytest.raises((UnreadableBodyError, msgspec.DecodeError)):
        parse_page(body)


def test_a_body_cut_short_anywhere_is_unreadable() -> None:
    body = json.dumps(ANSWER).encode()
    for end in range(len(body)):
        with pytest.raises(UnreadableBodyError):
            parse_page(body[:end])


def test_a_summary_is_read_with_what_it_lacks_and_what_is_new() -> None:
    stat = {"scorer_key": "judge", "path": "a.b", "pass_rate": 0.0, "numeric_mean": math.inf, "future": [1]}
    run = {"evaluation_call_id": "run-1", "trial_count": 2, "scorer_stats": [stat], "predict_total_tokens": 3}
    page = _parse({"rows": [], "total_rows": 0, "summary": {"row_count": 4, "evaluations": [run], "newer": 5}})
    assert page.summary is not None
    assert page.summary.row_count == 4
    (read,) = page.summary.evaluations
    assert (read.evaluation_call_id, read.trial_count, read.predict_total_tokens) == ("run-1", 2, 3)
    (made,) = read.scorer_stats
    assert (made.scorer_key, made.path, made.pass_rate, made.numeric_mean) == ("judge", "a.b", 0.0, None)
    assert _json(made.extra) == {"future": [1]}


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
VALUE: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
TRIAL_FIELDS = st.fixed_dictionaries(
    {"predict_and_score_call_id": TEXT},
    optional={
        "predict_call_id": st.none() | TEXT,
        "model_output": VALUE,
        "scores": st.none() | st.dictionaries(TEXT, VALUE, max_size=3),
        "model_latency_seconds": st.none() | st.floats(0, 1e9),
        "total_tokens": st.none() | st.integers(0, 2**40),
        "total_cost": st.none() | st.floats(0, 1e9),
        "scorer_call_ids": st.none() | st.dictionaries(TEXT, TEXT, max_size=3),
        "genai_span_ref": st.none() | VALUE,
    },
)
ROW = st.fixed_dictionaries(
    {"row_digest": TEXT},
    optional={
        "raw_data_row": VALUE,
        "evaluations": st.lists(
            st.fixed_dictionaries({"evaluation_call_id": st.just("run")}, optional={"trials": st.lists(TRIAL_FIELDS)}),
            max_size=2,
        ),
    },
)


@given(st.lists(ROW, max_size=3), st.none() | st.integers(0, 9), st.booleans())
def test_the_slow_way_reads_what_the_fast_way_reads(rows: list[Any], total: int | None, ascii_only: bool) -> None:
    answer = {"rows": rows, "total_rows": total}
    fast = parse_page(json.dumps(answer, ensure_ascii=ascii_only).encode())
    for odd in ({"future": 1}, {"future": "\0"}, {"future": math.nan}):
        slow = parse_page(json.dumps({**answer, **odd}, ensure_ascii=ascii_only).encode())
        assert _content(slow) == _content(fast)
        assert _rows(slow) == _rows(fast)


def _rows(page: Page) -> Any:
    """The rows of all tables, without the layout of JSON texts."""
    batch = RunFlattener("run", {}).flatten(page)
    return {columns.table: [_decoded(row) for row in columns.rows()] for columns in batch.tables()}


def _decoded(row: dict[str, Any]) -> dict[str, Any]:
    return {name: json.loads(value) if isinstance(value, bytes) else value for name, value in row.items()}
