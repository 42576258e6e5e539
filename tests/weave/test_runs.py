from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weave_eval.times import parse_time
from weave_eval.weave.runs import CALL_COLUMNS, Run, parse_run

EVALUATION = "weave:///acme/support/object/geography:e1d1"
MODEL = "weave:///acme/support/object/atlas:m2d2"


def _call(**changed: Any) -> dict[str, Any]:
    return {
        "id": "run-1",
        "project_id": "acme/support",
        "op_name": "weave:///acme/support/op/Evaluation.evaluate:0p",
        "display_name": "dazzling-moon",
        "trace_id": "trace-2",
        "parent_id": "parent-3",
        "thread_id": None,
        "started_at": "2026-11-23T12:56:21.398779Z",
        "ended_at": "2026-11-23T12:57:22.506006Z",
        "exception": None,
        "attributes": {"suite": "nightly", "weave": {"source_evaluation_run_id": "run-0"}},
        "inputs": {"self": EVALUATION, "model": MODEL},
        "output": {"exact": {"true_count": 4}},
        "summary": {"status_counts": {"success": 44, "error": 0}, "weave": {"status": "success"}},
        "wb_user_id": "user-4",
        "wb_run_id": None,
        "storage_size_bytes": 512,
        **changed,
    }


def _parse(**changed: Any) -> Run:
    return parse_run(json.dumps(_call(**changed)).encode())


def _moment(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=timezone.utc)  # type: ignore[misc,arg-type]


def test_every_field_of_a_run_is_read_from_its_own_place() -> None:
    run = _parse()
    assert run == Run(
        run_id="run-1",
        started_at=_moment(2026, 11, 23, 12, 56, 21, 398779),
        finished_at=_moment(2026, 11, 23, 12, 57, 22, 506006),
        error=None,
        trace_id="trace-2",
        parent_id="parent-3",
        display_name="dazzling-moon",
        user_id="user-4",
        evaluation_ref=EVALUATION,
        evaluation_name="geography",
        model_ref=MODEL,
        model_name="atlas",
        has_failed_trials=False,
        source_run_id="run-0",
        is_imperative=False,
        output=b'{"exact":{"true_count":4}}',
        summary=b'{"status_counts":{"success":44,"error":0},"weave":{"status":"success"}}',
        attributes=b'{"suite":"nightly","weave":{"source_evaluation_run_id":"run-0"}}',
        extra=None,
        fingerprint=run.fingerprint,
    )
    assert not run.is_open


def test_a_bare_call_is_a_run() -> None:
    run = parse_run(b'{"id": "r", "started_at": "2026-11-23T12:56:21Z"}')
    assert (run.run_id, run.is_open, run.status) == ("r", True, "running")
    assert (run.evaluation_ref, run.model_ref, run.model_name, run.has_failed_trials) == (None,) * 4
    assert (run.output, run.summary, run.attributes, run.extra) == (None,) * 4


@pytest.mark.parametrize(
    ("ended_at", "exception", "status"),
    [
        (None, None, "running"),
        (None, "LookupError: x", "running"),
        ("2026-11-23T12:57:00Z", None, "completed"),
        ("2026-11-23T12:57:00Z", "", "completed"),
        ("2026-11-23T12:57:00Z", "LookupError: x", "failed"),
    ],
)
def test_status_is_that_of_weave(ended_at: str | None, exception: str | None, status: str) -> None:
    assert _parse(ended_at=ended_at, exception=exception).status == status


@pytest.mark.parametrize(
    ("summary", "failed"),
    [
        (None, None),
        ({}, None),
        ({"weave": {"status": "running"}}, None),
        ({"weave": {"status": "success"}}, False),
        ({"weave": {"status": "descendant_error"}}, True),
        ({"status_counts": {"success": 3, "error": 0}}, False),
        ({"status_counts": {"success": 3, "error": 2}}, True),
        ({"status_counts": {"success": 3}, "weave": {"status": "descendant_error"}}, True),
        ({"status_counts": None, "weave": None}, None),
    ],
)
def test_failed_trials_are_known_once_weave_has_counted(summary: Any, failed: bool | None) -> None:
    assert _parse(summary=summary).has_failed_trials is failed


@pytest.mark.parametrize(
    ("model", "ref", "name"),
    [
        (MODEL, MODEL, "atlas"),
        ("weave:///acme/support/op/answer:0d0", "weave:///acme/support/op/answer:0d0", "answer"),
        ("weave-private://///object/secret:5ec", "weave-private://///object/secret:5ec", "secret"),
        ("gpt-5", None, "gpt-5"),
        ({"name": "local", "_class_name": "Llama"}, None, "local"),
        ({"_class_name": "Llama"}, None, "Llama"),
        ({"temperature": 0.5}, None, None),
        (7, None, None),
        (None, None, None),
    ],
)
def test_models_are_named_however_they_were_logged(model: Any, ref: str | None, name: str | None) -> None:
    run = _parse(inputs={"self": EVALUATION, "model": model})
    assert (run.model_ref, run.model_name) == (ref, name)


def test_the_evaluation_of_a_typescript_run_is_found() -> None:
    assert _parse(inputs={"this": EVALUATION}).evaluation_ref == EVALUATION
    assert _parse(inputs={"self": {"name": "inline"}, "this": EVALUATION}).evaluation_ref == EVALUATION


def test_imperative_runs_are_told_apart() -> None:
    assert _parse(attributes={"_weave_eval_meta": {"imperative": True}}).is_imperative
    assert not _parse(attributes={"_weave_eval_meta": {"declarative": True}}).is_imperative
    assert not _parse(attributes=None).is_imperative


def test_fields_that_are_new_land_in_extra() -> None:
    run = _parse(priority=5, labels=["a"], nothing=None, wb_run_id="w-9")
    assert run.extra is not None
    assert json.loads(run.extra) == {"priority": 5, "labels": ["a"], "wb_run_id": "w-9"}


@pytest.mark.parametrize(
    "changed",
    [
        {"ended_at": None},
        {"display_name": "renamed"},
        {"exception": "boom"},
        {"output": {"exact": {"true_count": 5}}},
        {"inputs": {"self": EVALUATION, "model": "other"}},
        {"attributes": {"suite": "weekly"}},
        {"summary": {"status_counts": {"success": 44, "error": 1}}},
    ],
)
def test_the_fingerprint_changes_with_anything_a_user_can_change(changed: dict[str, Any]) -> None:
    assert _parse(**changed).fingerprint != _parse().fingerprint


def test_the_fingerprint_ignores_bookkeeping() -> None:
    assert _parse(storage_size_bytes=999, expire_at="2030-01-01T00:00:00Z").fingerprint == _parse().fingerprint


def test_odd_texts_and_numbers_are_cleaned_and_counted() -> None:
    line = json.dumps(_call(display_name="moon\0", output={"mean": float("nan"), "note\ud800": 1})).encode()
    run = parse_run(line)
    assert run.display_name == "moon\ufffd"
    assert run.output is not None
    assert json.loads(run.output) == {"mean": None, "note\ufffdd800": 1}
    assert (run.changes.texts, run.changes.numbers) == (2, 1)


def test_invalid_utf8_is_replaced() -> None:
    line = json.dumps(_call(display_name="moon")).encode().replace(b"moon", b"moon\xff")
    assert parse_run(line).display_name == "moon\ufffd"


def test_escapes_that_are_fine_change_nothing() -> None:
    plain = json.dumps(_call(display_name="moon 😀"), ensure_ascii=False).encode()
    escaped = json.dumps(_call(display_name="moon 😀"), ensure_ascii=True).encode()
    assert parse_run(plain) == parse_run(escaped)
    assert parse_run(escaped).changes.texts == 0


def test_every_digit_of_a_large_integer_is_kept() -> None:
    run = _parse(output={"tokens": 2**70 + 1})
    assert run.output == b'{"tokens":1180591620717411303425}'


@pytest.mark.parametrize("line", [b"", b"{", b"nonsense", b"{}", b'{"id": "r"}', b'{"id": "r", "started_at": "soon"}'])
def test_what_is_no_call_is_refused(line: bytes) -> None:
    with pytest.raises((ValueError, KeyError)):
        parse_run(line)


def test_everything_that_is_read_is_asked_for() -> None:
    used = {"id", "started_at", "ended_at", "exception", "trace_id", "parent_id", "display_name", "wb_user_id"}
    assert used | {"attributes", "inputs", "output", "summary", "wb_run_id"} <= set(CALL_COLUMNS)
    assert len(set(CALL_COLUMNS)) == len(CALL_COLUMNS)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-23T12:56:21.398779Z", _moment(2026, 11, 23, 12, 56, 21, 398779)),
        ("2026-11-23T12:56:21+00:00", _moment(2026, 11, 23, 12, 56, 21)),
        ("2026-11-23T12:56:21+05:30", _moment(2026, 11, 23, 7, 26, 21)),
        ("2026-11-23 12:56:21.5", _moment(2026, 11, 23, 12, 56, 21, 500000)),
    ],
)
def test_times_are_read_as_utc(text: str, moment: datetime) -> None:
    read = parse_time(text)
    assert read == moment
    assert read.utcoffset() == timedelta(0)


@given(st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1)), st.integers(-14 * 60, 14 * 60))  # noqa: DTZ001
def test_times_survive_being_written_and_read(moment: datetime, offset_minutes: int) -> None:
    local = moment.replace(tzinfo=timezone(timedelta(minutes=offset_minutes)))
    assert parse_time(local.isoformat()) == local


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01T00:00:00Z", "2026-11-23"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_time(text)


@pytest.mark.parametrize(
    ("inputs", "evaluation", "model", "extra"),
    [
        ({"self": "refunds", "model": "atlas"}, "refunds", "atlas", None),
        ({"this": "refunds", "model": MODEL}, "refunds", "atlas", None),
        ({"self": "refunds", "seed": 7}, "refunds", None, b'{"inputs":{"seed":7}}'),
        (
            {"self": {"name": "refunds", "trials": 2}},
            "refunds",
            None,
            b'{"inputs":{"self":{"name":"refunds","trials":2}}}',
        ),
        ({"model": {"_class_name": "Atlas"}}, None, "Atlas", b'{"inputs":{"model":{"_class_name":"Atlas"}}}'),
        ({"self": 5}, None, None, b'{"inputs":{"self":5}}'),
        ("refunds", None, None, b'{"inputs":"refunds"}'),
        ({"self": None}, None, None, None),
    ],
)
def test_what_stands_in_place_of_a_ref_is_kept(inputs: Any, evaluation: Any, model: Any, extra: Any) -> None:
    run = _parse(inputs=inputs)
    assert (run.evaluation_ref, run.evaluation_name, run.model_name, run.extra) == (None, evaluation, model, extra)
