from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weave_eval.api.bodies import StreamParser
from weave_eval.api.client import WeaveClient
from weave_eval.api.limiter import RateLimiter
from weave_eval.errors import TooHeavyError, UnreadableBodyError
from weave_eval.reading.trial_calls import growth_marks, read_trial_calls
from weave_eval.weave.runs import Run, parse_run
from weave_eval.weave.trials import TrialCall, TrialCalls

OP = "weave:///acme/support/op/"


class Answering(WeaveClient):
    """A client whose answer is given, and comes in parts; what was asked for is remembered."""

    def __init__(self, body: bytes, part_bytes: int = 100):
        super().__init__("http://127.0.0.1", "key", "acme/support", limiter=RateLimiter(1000))
        self.body = body
        self.part_bytes = part_bytes
        self.asked: list[dict[str, Any]] = []

    def stream(
        self,
        path: str,
        body: dict[str, Any],
        make_parser: Callable[[], StreamParser[Any]],
        *,
        purpose: str,
        max_bytes: int | None = None,
        has_alternative: bool = False,
    ) -> Any:
        assert (bool(purpose), has_alternative) == (True, False)
        reader = make_parser()
        if path == "/calls/query_stats":
            reader.feed(json.dumps({"count": self.body.count(b"\n")}).encode())
            return reader.close()
        self.asked.append(body)
        assert path == "/calls/stream_query"
        if max_bytes is not None and len(self.body) > max_bytes:
            raise TooHeavyError("too heavy")
        for start in range(0, len(self.body), self.part_bytes):
            reader.feed(self.body[start : start + self.part_bytes])
        return reader.close()


def _run(run_id: str, trace_id: str | None = None) -> Run:
    return parse_run(json.dumps({"id": run_id, "trace_id": trace_id, "started_at": "2026-11-23T12:00:00Z"}).encode())


def _call(call_id: str, parent: str | None, op: str, second: int, **fields: Any) -> dict[str, Any]:
    started = f"2026-11-23T12:00:{second:02}.5Z"
    return {"id": call_id, "parent_id": parent, "op_name": f"{OP}{op}:0d", "started_at": started, **fields}


def _at(second: int, microsecond: int = 500000) -> datetime:
    return datetime(2026, 11, 23, 12, 0, second, microsecond, tzinfo=timezone.utc)


def _read(calls: list[dict[str, Any]], *runs: Run) -> TrialCalls:
    body = "".join(json.dumps(call) + "\n" for call in calls).encode()
    return read_trial_calls(Answering(body), runs)


TRIAL_OP = "Evaluation.predict_and_score"


def test_times_and_errors_of_trials_are_read_for_many_runs() -> None:
    calls = [
        _call("t1", "run-1", TRIAL_OP, 1, ended_at="2026-11-23T12:00:11Z", exception=None),
        _call("t2", "run-1", TRIAL_OP, 2, ended_at="2026-11-23T12:00:12Z", exception="error-2"),
        _call("t3", "run-2", "Evaluation.predictAndScore", 3, ended_at=None),
    ]
    assert _read(calls, _run("run-1"), _run("run-2")) == {
        "t1": TrialCall("t1", "run-1", _at(1), _at(11, 0), None),
        "t2": TrialCall("t2", "run-1", _at(2), _at(12, 0), "error-2"),
        "t3": TrialCall("t3", "run-2", _at(3), None, None),
    }


def test_one_query_asks_for_the_trials_and_what_failed_in_their_traces() -> None:
    client = Answering(b"")
    read_trial_calls(client, [_run("run-1", "trace-9"), _run("run-2", "trace-9"), _run("run-3")])
    (body,) = client.asked
    assert body["project_id"] == "acme/support"
    assert body["filter"] == {"trace_ids": ["run-3", "trace-9"]}
    children, failed = body["query"]["$expr"]["$or"]
    assert children["$in"][0] == {"$getField": "parent_id"}
    assert children["$in"][1] == [{"$literal": "run-1"}, {"$literal": "run-2"}, {"$literal": "run-3"}]
    assert failed == {"$not": [{"$eq": [{"$getField": "exception"}, {"$literal": None}]}]}


def test_no_runs_cost_no_request() -> None:
    client = Answering(b"")
    assert read_trial_calls(client, []) == {}
    assert client.asked == []


def test_a_trial_takes_the_error_of_its_first_failed_child() -> None:
    calls = [
        _call("late", "t1", "judge", 9, exception="late-error"),
        _call("t1", "run-1", TRIAL_OP, 1),
        _call("early", "t1", "Model.predict", 2, exception="early-error"),
        _call("grandchild", "early", "tool", 3, exception="deeper-error"),
    ]
    assert _read(calls, _run("run-1"))["t1"].error == "early-error"


def test_a_whole_second_comes_before_its_fractions() -> None:
    """The API leaves the fraction out where it is zero."""
    calls = [
        _call("t1", "run-1", TRIAL_OP, 1),
        _call("late", "t1", "judge", 2, exception="late-error"),
        {**_call("early", "t1", "judge", 2, exception="early-error"), "started_at": "2026-11-23T12:00:02Z"},
    ]
    assert _read(calls, _run("run-1"))["t1"].error == "early-error"


def test_its_own_error_comes_before_those_of_its_children() -> None:
    calls = [
        _call("child", "t1", "judge", 2, exception="child-error"),
        _call("t1", "run-1", TRIAL_OP, 1, exception="own-error"),
    ]
    assert _read(calls, _run("run-1"))["t1"].error == "own-error"


def test_other_calls_are_no_trials() -> None:
    calls = [
        _call("run-1", None, "Evaluation.evaluate", 0, exception="run-error"),
        _call("sum", "run-1", "Evaluation.summarize", 8, exception="summarize-error"),
        _call("other", "run-9", TRIAL_OP, 1),
        _call("orphan", None, TRIAL_OP, 1),
    ]
    assert _read(calls, _run("run-1")) == {}


def test_the_order_of_the_answer_does_not_matter() -> None:
    calls = [
        _call("t1", "run-1", TRIAL_OP, 1),
        _call("a", "t1", "judge", 2, exception="first"),
        _call("b", "t1", "judge", 3, exception="second"),
    ]
    assert _read(calls, _run("run-1")) == _read(calls[::-1], _run("run-1"))


def test_texts_that_cannot_be_stored_are_cleaned() -> None:
    calls = [_call("t1", "run-1", TRIAL_OP, 1, exception="boom\0")]
    assert _read(calls, _run("run-1"))["t1"].error == "boom\ufffd"


def test_half_an_emoji_in_an_error_is_cleaned() -> None:
    """Errors that were cut to a length can end in half a surrogate pair."""
    calls = [_call("t1", "run-1", TRIAL_OP, 1, exception="boom \ud83d")]
    assert _read(calls, _run("run-1"))["t1"].error == "boom \ufffd"


def test_invalid_utf8_in_an_error_is_replaced() -> None:
    line = json.dumps(_call("t1", "run-1", TRIAL_OP, 1, exception="boom")).encode().replace(b"boom", b"boom\xff")
    assert read_trial_calls(Answering(line + b"\n"), [_run("run-1")])["t1"].error == "boom\ufffd"


def test_lines_are_split_at_newlines_alone() -> None:
    calls = [_call("t1", "run-1", TRIAL_OP, 1, exception="a\u2028b\u0085c")]
    body = (json.dumps(calls[0], ensure_ascii=False) + "\n").encode()
    assert read_trial_calls(Answering(body), [_run("run-1")])["t1"].error == "a\u2028b\u0085c"


def test_unknown_fields_are_ignored() -> None:
    assert _read([_call("t1", "run-1", TRIAL_OP, 1, future={"a": 1})], _run("run-1")).keys() == {"t1"}


@pytest.mark.parametrize("body", [b"{}\n", b'{"id": 3}\n', b"[]\n", b'{"id": "t1", "started_at'])
def test_what_is_no_call_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableBodyError):
        read_trial_calls(Answering(body), [_run("run-1")])


@pytest.mark.parametrize("part_bytes", [1, 7, 131, 10_000])
def test_an_answer_may_come_in_any_parts(part_bytes: int) -> None:
    calls = [
        _call("t1", "run-1", TRIAL_OP, 1, ended_at="2026-11-23T12:00:09Z"),
        _call("t2", "run-1", TRIAL_OP, 2, exception="bö\u2028om\x00"),
        _call("s1", "t1", "judge", 3, exception="no\ud800"),
    ]
    body = "".join(json.dumps(call) + "\n" for call in calls).encode()
    expected = {
        "t1": TrialCall("t1", "run-1", _at(1), _at(9, 0), "no\ufffd"),
        "t2": TrialCall("t2", "run-1", _at(2), None, "bö\u2028om\ufffd"),
    }
    for each in (body, body.removesuffix(b"\n")):
        assert read_trial_calls(Answering(each, part_bytes), [_run("run-1")]) == expected


def test_too_large_an_answer_is_given_up() -> None:
    body = json.dumps(_call("t1", "run-1", TRIAL_OP, 1)).encode()
    with pytest.raises(TooHeavyError):
        read_trial_calls(Answering(body), [_run("run-1")], max_bytes=10)


CALLS = [
    TrialCall("t1", "run-1", _at(1), None, None),
    TrialCall("t2", "run-1", _at(2), _at(5), None),
    TrialCall("t3", "run-2", _at(3), None, None),
]


def _marks(*calls: TrialCall) -> dict[str, str]:
    return growth_marks({call.trial_id: call for call in calls})


@pytest.mark.parametrize(
    "grown",
    [
        [*CALLS, TrialCall("t4", "run-1", _at(4), None, None)],
        CALLS[1:],
        [CALLS[0]._replace(finished_at=_at(9)), *CALLS[1:]],
        [CALLS[0]._replace(error="boom"), *CALLS[1:]],
    ],
    ids=["added", "removed", "ended", "failed"],
)
def test_growth_of_one_run_changes_its_mark_alone(grown: list[TrialCall]) -> None:
    before, after = _marks(*CALLS), _marks(*grown)
    assert before.keys() == after.keys() == {"run-1", "run-2"}
    assert before["run-1"] != after["run-1"]
    assert before["run-2"] == after["run-2"]


@given(st.permutations(CALLS))
def test_marks_do_not_depend_on_order(calls: list[TrialCall]) -> None:
    assert _marks(*calls) == _marks(*CALLS)


def test_a_run_without_trials_has_no_mark() -> None:
    assert growth_marks({}) == {}
