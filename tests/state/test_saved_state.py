"""Which states a load goes on from, and which make it start over."""

from __future__ import annotations

import copy
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from weave_eval.state.soundness import digest, is_sound

NOW = datetime(2026, 11, 24, tzinfo=timezone.utc)
PROJECT = "acme/x"
STATE = {
    "projects": {
        PROJECT: {
            "version": 1,
            "cursor": "2026-11-22T04:06:39+00:00",
            "open_runs": {"run-1": ["2026-11-20T04:06:39+00:00", "mark"]},
            "closed_runs": {},
        }
    },
    "companions": {
        PROJECT: {
            "objects": {"since": "2026-11-24T03:05:39+00:00", "marks": ["0880dda91096"]},
            "feedback": {"since": None, "marks": []},
            "refs": ["weave:///acme/x/object/e:1"],
        }
    },
    "unproven": {PROJECT: {"run-1": ["1790000000.1", 3, None, 3, False, True]}},
    "heartbeats": {PROJECT: None},
    "servers": {PROJECT: "https://trace.wandb.ai"},
}
WRONG: dict[str, list[Any]] = {
    "": [[], None, 5, "x"],
    "projects": [[], None, "x", 3, True],
    "projects/P": [[1], None, 7, "x", {}],
    "projects/P/version": ["one", None, 1.5, []],
    "projects/P/cursor": [5, "yesterday", [], {}, "2096-01-01T00:00:00+00:00"],
    "projects/P/open_runs": [[], None, {"run": 3}, {"run": ["x"]}, {"run": {}}],
    "projects/P/closed_runs": [[], None, {"run": 3}, {"run": ["2026-01-01T00:00:00+00:00", None]}],
    "companions": [[], None, "x"],
    "companions/P": ["x", [1], None, 5],
    "companions/P/objects": [[], "x", 5, {"since": 5, "marks": []}, {"since": "never", "marks": []}],
    "companions/P/objects/since": [5, "2096-01-01T00:00:00+00:00", []],
    "companions/P/objects/marks": [5, None, "x", [5]],
    "companions/P/feedback": ["x", {"since": None}, {"since": None, "marks": 7}],
    "companions/P/feedback/since": ["2096-01-01T00:00:00+00:00", "9999-12-31T23:59:59+00:00"],
    "companions/P/refs": [5, None, {"a": 1}, "x", [5]],
    "unproven": [[], 3, None],
    "unproven/P": [[1], "x", None, {"run": 3}, {"run": ["load", 1]}, {"run": [1, 1, 1, 1, False, False]}],
    "heartbeats": [[], "x", None],
    "heartbeats/P": [5, {}, []],
    "servers": [[], "x", None],
    "servers/P": [5, None, {}],
}


def with_value(path: str, value: Any) -> Any:
    if not path:
        return value
    state: Any = copy.deepcopy(STATE)
    *parents, last = (PROJECT if key == "P" else key for key in path.split("/"))
    inner = state
    for key in parents:
        inner = inner[key]
    inner[last] = value
    return state


@pytest.mark.parametrize("state", [{}, STATE, {"heartbeats": {PROJECT: "2026-11-22T04:06:39+00:00"}}])
def test_what_loads_write_is_sound(state: Any) -> None:
    assert is_sound(state, NOW)


def test_a_clock_may_be_a_little_slow() -> None:
    state = with_value("projects/P/cursor", (NOW + timedelta(hours=23)).isoformat())
    assert is_sound(state, NOW)
    assert not is_sound(state, NOW - timedelta(hours=2))


@pytest.mark.parametrize("path", WRONG)
def test_anything_else_is_not(path: str) -> None:
    for value in WRONG[path]:
        assert not is_sound(with_value(path, value), NOW), value


def test_keys_that_somebody_adds_do_no_harm() -> None:
    assert is_sound(with_value("more", {"x": [1]}), NOW)


def test_states_are_told_apart() -> None:
    assert digest(STATE) == digest(dict(reversed(list(STATE.items()))))
    assert digest(STATE) != digest(with_value("heartbeats/P", "2026-11-22T04:06:39+00:00"))
