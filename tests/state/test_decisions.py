from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from weave_eval.state.decisions import (
    PlannedRun,
    ProjectState,
    Seen,
    Windows,
    advance,
    decide,
    dump_state,
    forget_runs,
    listing_start,
    load_state,
    postpone,
    settled_trials,
)
from weave_eval.times import utc_now
from weave_eval.weave.runs import Run

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=timezone.utc)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
WINDOWS = Windows(lookback=14 * DAY, abandon_after=7 * DAY)


def _run(run_id: str, started_at: datetime, finished_at: datetime | None = None, mark: str = "") -> Run:
    return Run(
        run_id=run_id,
        started_at=started_at,
        finished_at=finished_at,
        error=None,
        trace_id=None,
        parent_id=None,
        display_name=mark,
        user_id=None,
        evaluation_ref=None,
        evaluation_name=None,
        model_ref=None,
        model_name=None,
        has_failed_trials=None,
        source_run_id=None,
        is_imperative=False,
        output=None,
        summary=None,
        attributes=None,
        extra=None,
        fingerprint=f"{run_id}/{finished_at}/{mark}/",
    )


def _ended(run_id: str, started_at: datetime = NOW - DAY, mark: str = "") -> Run:
    return _run(run_id, started_at, started_at + HOUR, mark)


@dataclass
class Project:
    """Runs as Weave has them, and what an incremental reader remembers of them."""

    runs: dict[str, Run]
    growth: dict[str, str]
    state: ProjectState
    now: datetime = NOW
    windows: Windows = WINDOWS
    trials: Counter[str] = field(default_factory=Counter)

    @staticmethod
    def of(*runs: Run) -> Project:
        return Project({run.run_id: run for run in runs}, {}, ProjectState())

    def decide(self) -> list[PlannedRun]:
        start = listing_start(self.state, self.windows)
        listed = [run for run in self.runs.values() if start is None or run.started_at >= start]
        known = settled_trials(self.state, listed)
        recounted = {run_id: self.trials[run_id] for run_id, count in known.items() if count != self.trials[run_id]}
        return decide(self.state, listed, self.growth, self.now, self.windows, recounted=recounted)

    def load(self, chunk: int | None = None) -> dict[str, str]:
        """One load, saved and loaded as JSON: what was read, and why."""
        todo = self.decide()
        size = chunk or len(todo) or 1
        for start in range(0, len(todo), size):
            read = todo[start : start + size]
            counted = {planned.run.run_id: self.trials[planned.run.run_id] for planned in read}
            state = advance(self.state, read, self.now, self.windows, counted)
            self.state = load_state(json.loads(json.dumps(dump_state(state))), self.now)
            assert self.state == state
        return {planned.run.run_id: planned.reason for planned in todo}


def test_a_first_load_lists_everything_and_reads_it_by_start() -> None:
    project = Project.of(_ended("b", NOW - DAY), _run("c", NOW - HOUR), _ended("a", NOW - 900 * DAY))
    assert listing_start(project.state, WINDOWS) is None
    assert [planned.run.run_id for planned in project.decide()] == ["a", "b", "c"]
    assert project.load() == {"a": "new", "b": "new", "c": "new"}
    assert project.state.cursor == NOW - HOUR
    assert project.state.open_runs.keys() == {"c"}
    assert project.state.known() == {"b", "c"}


def test_runs_that_start_together_are_ordered_by_id() -> None:
    project = Project.of(_ended("b"), _ended("a"), _ended("c"))
    assert [planned.run.run_id for planned in project.decide()] == ["a", "b", "c"]


def test_an_unchanged_project_costs_nothing() -> None:
    project = Project.of(_ended("a"), _run("b", NOW - HOUR))
    project.growth = {"b": "grown"}
    project.load()
    before = project.state
    assert project.load() == {}
    assert advance(before, [], NOW + DAY, WINDOWS) == before


def test_a_run_is_followed_until_it_ends() -> None:
    project = Project.of(_run("a", NOW - HOUR))
    assert project.load() == {"a": "new"}
    project.growth = {"a": "one trial"}
    assert project.load() == {"a": "open"}
    assert project.load() == {}
    project.growth = {"a": "two trials"}
    assert project.load() == {"a": "open"}
    project.runs["a"] = _run("a", NOW - HOUR, NOW)
    project.growth = {}
    (planned,) = project.decide()
    assert planned.status == "completed"
    project.load()
    assert project.state.open_runs == {}
    assert project.load() == {}


def test_a_finished_run_that_changes_is_read_again() -> None:
    project = Project.of(_ended("a"), _ended("b"))
    project.load()
    project.runs["a"] = _ended("a", mark="renamed")
    assert project.load() == {"a": "changed"}
    assert project.load() == {}


def test_a_finished_run_that_goes_on_is_followed_again() -> None:
    project = Project.of(_ended("a"))
    project.load()
    project.runs["a"] = _run("a", NOW - DAY)
    assert project.load() == {"a": "changed"}
    assert project.state.open_runs.keys() == {"a"}
    assert project.state.closed_runs == {}


def test_a_run_that_never_ends_is_given_up_once() -> None:
    project = Project.of(_run("a", NOW - 6 * DAY))
    assert project.load() == {"a": "new"}
    project.now = NOW + DAY
    assert project.load() == {}
    project.now = NOW + DAY + HOUR
    (planned,) = project.decide()
    assert (planned.reason, planned.status) == ("abandoned", "abandoned")
    project.load()
    assert project.state.open_runs == {}
    assert project.state.closed_runs.keys() == {"a"}
    assert project.load() == {}


def test_an_old_run_that_never_ended_is_given_up_at_first_sight() -> None:
    assert Project.of(_run("a", NOW - 8 * DAY)).load() == {"a": "abandoned"}


def test_a_run_that_was_given_up_and_ends_after_all_is_read() -> None:
    project = Project.of(_run("a", NOW - 8 * DAY))
    project.load()
    project.growth = {"a": "grown"}
    assert project.load() == {"a": "abandoned"}
    project.runs["a"] = _run("a", NOW - 8 * DAY, NOW)
    assert project.load() == {"a": "changed"}
    assert project.load() == {}


def test_an_open_run_is_listed_however_old_it_is() -> None:
    windows = Windows(lookback=DAY, abandon_after=365 * DAY)
    project = Project.of(_run("old", NOW - 100 * DAY), _ended("new", NOW - HOUR))
    project.windows = windows
    project.load()
    assert listing_start(project.state, windows) == NOW - 100 * DAY
    project.runs["old"] = _run("old", NOW - 100 * DAY, NOW)
    assert project.load() == {"old": "open"}
    assert listing_start(project.state, windows) == NOW - HOUR - DAY


def test_late_arrivals_inside_the_lookback_are_found() -> None:
    project = Project.of(_ended("a", NOW - HOUR))
    project.load()
    project.runs["late"] = _ended("late", NOW - 13 * DAY)
    assert project.load() == {"late": "new"}
    assert project.state.cursor == NOW - HOUR


def test_a_lookback_longer_than_time_itself_lists_everything() -> None:
    state = ProjectState(cursor=NOW)
    start = listing_start(state, Windows(lookback=1_000_000 * DAY, abandon_after=DAY))
    assert start is None or start.year == 1


def test_runs_that_will_not_be_listed_again_are_forgotten() -> None:
    project = Project.of(_ended("old", NOW - 20 * DAY), _ended("edge", NOW - 15 * DAY), _ended("new", NOW - DAY))
    project.load()
    assert project.state.known() == {"edge", "new"}


def test_a_start_in_the_future_does_not_move_the_cursor_past_now() -> None:
    project = Project.of(_ended("wrong-clock", NOW + 30 * DAY))
    assert project.load() == {"wrong-clock": "new"}
    assert project.state.cursor == NOW
    assert project.load() == {}
    project.runs["right-clock"] = _ended("right-clock", NOW - HOUR)
    assert project.load() == {"right-clock": "new"}


def test_utc_now_knows_its_zone() -> None:
    assert utc_now().utcoffset() == timedelta(0)


GOOD = {"version": 1, "cursor": "2026-11-23T11:00:00+00:00", "open_runs": {}, "closed_runs": {}}


@pytest.mark.parametrize(
    "saved",
    [
        None,
        {},
        [],
        "state",
        7,
        {**GOOD, "version": 2},
        {**GOOD, "version": None},
        {**GOOD, "cursor": "soon"},
        {**GOOD, "cursor": 5},
        {**GOOD, "open_runs": None},
        {**GOOD, "open_runs": []},
        {**GOOD, "open_runs": {"a": []}},
        {**GOOD, "closed_runs": {"a": ["soon", "mark"]}},
        {**GOOD, "closed_runs": {"a": ["2026-11-23T11:00:00Z"]}},
        {**GOOD, "closed_runs": {"a": None}},
        {name: value for name, value in GOOD.items() if name != "closed_runs"},
        {**GOOD, "cursor": "2026-11-25T00:00:00Z"},
        {**GOOD, "cursor": "9999-12-31T23:59:59Z"},
    ],
)
def test_an_unreadable_or_future_state_starts_over(saved: Any) -> None:
    assert load_state(saved, NOW) == ProjectState()


def test_a_clock_that_is_a_little_wrong_does_not_start_over() -> None:
    assert load_state({**GOOD, "cursor": "2026-11-24T11:00:00Z"}, NOW).cursor == NOW + 23 * HOUR


def test_a_readable_state_is_read() -> None:
    saved = {**GOOD, "open_runs": {"a": ["2026-11-01T00:00:00Z", "mark-a"]}}
    saved["closed_runs"] = {"b": ["2026-11-02T00:00:00Z", "mark-b"]}
    assert load_state(saved, NOW) == ProjectState(
        cursor=NOW - HOUR,
        open_runs={"a": Seen(datetime(2026, 11, 1, tzinfo=timezone.utc), "mark-a")},
        closed_runs={"b": Seen(datetime(2026, 11, 2, tzinfo=timezone.utc), "mark-b")},
    )


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(st.sampled_from(["version", "cursor", "open_runs", "closed_runs", "trials"]), JSON)
def test_a_state_with_anything_in_it_is_read_or_started_over(name: str, value: Any) -> None:
    state = load_state({**GOOD, name: value}, NOW)
    assert json.dumps(dump_state(state))


MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2026, 11, 23)).map(  # noqa: DTZ001
    lambda moment: moment.replace(tzinfo=timezone.utc)
)
SEEN = st.dictionaries(st.text(min_size=1), st.builds(Seen, MOMENTS, st.text()), max_size=4)


@given(st.builds(ProjectState, st.none() | MOMENTS, SEEN, SEEN), st.data())
def test_a_state_survives_being_saved_as_json(state: ProjectState, data: Any) -> None:
    state.trials.update({run_id: data.draw(st.integers(0)) for run_id in state.closed_runs})
    assert load_state(json.loads(json.dumps(dump_state(state))), NOW) == state


@given(SEEN)
def test_equal_states_are_saved_as_equal_text(seen: dict[str, Seen]) -> None:
    turned = dict(reversed(seen.items()))
    first, second = ProjectState(NOW, seen, turned), ProjectState(NOW, turned, seen)
    assert json.dumps(dump_state(first)) == json.dumps(dump_state(second))


RUNS = st.lists(
    st.builds(
        lambda number, days, is_open: (_run if is_open else _ended)(f"r{number}", NOW - timedelta(days=days)),
        st.integers(0, 30),
        st.floats(-3, 40),
        st.booleans(),
    ),
    unique_by=lambda run: run.run_id,
    max_size=12,
)


@given(RUNS, st.randoms())
def test_the_order_of_the_listing_does_not_matter(runs: list[Run], random: Any) -> None:
    shuffled = list(runs)
    random.shuffle(shuffled)
    assert Project.of(*runs).decide() == Project.of(*shuffled).decide()


LONG = Windows(lookback=14 * DAY, abandon_after=35 * DAY)


def _history(first: list[Run], arriving: list[Run], ending: set[int]) -> Project:
    """A project that was loaded, where runs have since arrived and some of the open ones have ended."""
    project = Project.of(*first)
    project.windows = LONG
    project.load()
    project.now = NOW + DAY
    for run in first:
        if run.is_open and int(run.run_id[1:]) in ending:
            project.runs[run.run_id] = _run(run.run_id, run.started_at, NOW)
    for run in arriving:
        project.runs[f"late-{run.run_id}"] = replace(run, run_id=f"late-{run.run_id}")
    return project


ENDING = st.sets(st.integers(0, 30), max_size=30)


@given(RUNS, RUNS, ENDING, st.integers(1, 5))
def test_chunks_of_any_size_end_like_one(first: list[Run], arriving: list[Run], ending: set[int], size: int) -> None:
    whole, chunked = _history(first, arriving, ending), _history(first, arriving, ending)
    assert whole.load() == chunked.load(size)
    assert (chunked.state.cursor, chunked.state.open_runs) == (whole.state.cursor, whole.state.open_runs)
    assert chunked.decide() == whole.decide() == []


@given(RUNS, RUNS, ENDING, st.integers(1, 5), st.integers(1, 6))
def test_a_load_killed_between_chunks_is_finished_by_the_next(
    first: list[Run], arriving: list[Run], ending: set[int], size: int, killed_after: int
) -> None:
    project = _history(first, arriving, ending)
    todo = project.decide()
    done = todo[: size * killed_after]
    for start in range(0, len(done), size):
        project.state = advance(project.state, done[start : start + size], project.now, project.windows)
    left = {planned.run.run_id for planned in todo} - {planned.run.run_id for planned in done}
    assert left <= project.load().keys()


def test_what_an_old_open_run_let_in_is_not_lost_when_a_load_is_killed_after_that_run_ended() -> None:
    project = Project.of(_run("old", NOW - 30 * DAY), _ended("new", NOW - HOUR))
    project.windows = Windows(lookback=14 * DAY, abandon_after=90 * DAY)
    project.load()
    project.runs["old"] = _run("old", NOW - 30 * DAY, NOW)
    project.runs["late"] = _ended("late", NOW - 20 * DAY)
    first, second = project.decide()
    assert {first.run.run_id, second.run.run_id} == {"old", "late"}
    project.state = advance(project.state, [first], NOW, project.windows)
    assert project.load() == {second.run.run_id: second.reason}


@given(RUNS, st.timedeltas(-DAY, 10 * DAY))
def test_the_cursor_never_passes_now_nor_goes_back(runs: list[Run], passed: timedelta) -> None:
    project = Project.of(*runs)
    project.load()
    cursor = project.state.cursor
    assert cursor is None or cursor <= NOW
    project.now = NOW + passed
    project.runs["another"] = _ended("another", NOW + 400 * DAY)
    project.load()
    assert project.state.cursor is not None
    assert project.state.cursor <= max(project.now, cursor or project.now)
    assert cursor is None or project.state.cursor >= cursor


class Histories(RuleBasedStateMachine):
    """A project lives: runs appear, grow, end, change and go on, time passes; loads keep a copy of it current."""

    def __init__(self) -> None:
        super().__init__()
        self.project = Project.of()
        self.copy: dict[str, tuple[Run, str]] = {}
        self.counted: dict[str, int] = {}
        self.touched: set[str] = set()
        self.count = 0

    @initialize(lookback=st.integers(2, 20), abandon_after=st.integers(1, 20))
    def choose_windows(self, lookback: int, abandon_after: int) -> None:
        self.project.windows = Windows(lookback * DAY, abandon_after * DAY)

    def _pick(self, data: Any, *, is_open: bool) -> Run | None:
        runs = [run for run in self.project.runs.values() if run.is_open == is_open]
        return data.draw(st.sampled_from(runs)) if runs else None

    def _touch(self, run: Run) -> None:
        self.project.runs[run.run_id] = run
        self.touched.add(run.run_id)

    @rule(hours_ago=st.integers(0, 40), is_open=st.booleans())
    def appear(self, hours_ago: int, is_open: bool) -> None:
        self.count += 1
        started_at = self.project.now - hours_ago * HOUR
        self._touch((_run if is_open else _ended)(f"run-{self.count}", started_at))

    @rule(data=st.data())
    def grow(self, data: Any) -> None:
        run = self._pick(data, is_open=True)
        if run:
            self.count += 1
            self.project.growth[run.run_id] = f"grown {self.count}"
            self.touched.add(run.run_id)

    @rule(data=st.data())
    def end(self, data: Any) -> None:
        run = self._pick(data, is_open=True)
        if run:
            self.project.growth.pop(run.run_id, None)
            self._touch(_run(run.run_id, run.started_at, self.project.now))

    @rule(data=st.data(), is_finished_again=st.booleans())
    def change(self, data: Any, is_finished_again: bool) -> None:
        run = self._pick(data, is_open=False)
        if run:
            self.count += 1
            ended_at = self.project.now if is_finished_again else run.finished_at
            self._touch(_run(run.run_id, run.started_at, ended_at, f"changed {self.count}"))

    @rule(data=st.data(), more=st.sampled_from([-1, 1]))
    def add_or_delete_a_trial(self, data: Any, more: int) -> None:
        run = self._pick(data, is_open=False)
        if run:
            self.project.trials[run.run_id] += more * (self.project.trials[run.run_id] + more >= 0)
            if self.project.trials[run.run_id] != self.counted.get(run.run_id):
                self.touched.add(run.run_id)
            elif self.copy.get(run.run_id, (None,))[0] == run:
                self.touched.discard(run.run_id)

    @rule(hours=st.integers(1, 100))
    def pass_time(self, hours: int) -> None:
        self.project.now += hours * HOUR

    @rule(chunk=st.none() | st.integers(1, 3))
    def load(self, chunk: int | None) -> None:
        start = listing_start(self.project.state, self.project.windows)
        self.touched = {
            run_id for run_id in self.touched if start is None or self.project.runs[run_id].started_at >= start
        }
        read = self.project.load(chunk)
        assert self.touched <= read.keys()
        self._copy(read)
        self.touched = set()

    def _copy(self, read: dict[str, str]) -> None:
        for run_id, reason in read.items():
            run = self.project.runs[run_id]
            self.counted[run_id] = self.project.trials[run_id]
            self.copy[run_id] = (run, "abandoned" if reason == "abandoned" else run.status)

    @precondition(lambda self: not self.touched)
    @rule()
    def load_an_unchanged_project(self) -> None:
        """Nothing but runs that have become too old is read."""
        read = self.project.load()
        assert set(read.values()) <= {"abandoned"}
        self._copy(read)
        assert self.project.decide() == []

    @invariant()
    def the_cursor_is_not_in_the_future(self) -> None:
        assert self.project.state.cursor is None or self.project.state.cursor <= self.project.now

    @invariant()
    def runs_are_remembered_once_and_as_they_were_read(self) -> None:
        state = self.project.state
        assert not state.open_runs.keys() & state.closed_runs.keys()
        assert {self.copy[run_id][1] for run_id in state.open_runs} <= {"running"}
        assert "running" not in {self.copy[run_id][1] for run_id in state.closed_runs}

    @invariant()
    def what_was_not_touched_is_current(self) -> None:
        start = listing_start(self.project.state, self.project.windows)
        for run_id, run in self.project.runs.items():
            if start and run.started_at >= start and run_id not in self.touched:
                assert self.copy[run_id][0] == run
                assert run.is_open or self.counted[run_id] == self.project.trials[run_id]


Histories.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestHistories = Histories.TestCase


def test_another_number_of_trials_has_an_ended_run_read_again() -> None:
    project = Project.of(_ended("a"), _ended("b"), _run("c", NOW - HOUR))
    project.trials.update(a=3, b=4, c=5)
    project.load()
    assert project.state.trials == {"a": 3, "b": 4}
    project.trials["b"], project.trials["c"] = 6, 7
    (planned,) = project.decide()
    assert (planned.run.run_id, planned.reason, planned.trials) == ("b", "changed", 6)
    assert project.load() == {"b": "changed"}
    assert project.load() == {}
    assert forget_runs(project.state, ["a"]).trials == {"b": 6}


def test_a_decision_keeps_the_fingerprint_that_was_compared() -> None:
    project = Project.of(_run("a", NOW - HOUR))
    project.growth = {"a": "grown"}
    (planned,) = project.decide()
    assert planned.fingerprint == project.runs["a"].fingerprint + "grown"
    ended = replace(planned, run=_ended("a"))
    assert (ended.status, replace(ended, reason="abandoned").status) == ("completed", "abandoned")


def test_a_run_that_could_not_be_read_is_listed_and_read_again_however_old_it_is() -> None:
    project = Project.of(_ended("old", NOW - 300 * DAY), _ended("new", NOW - HOUR))
    unread, read = project.decide()
    project.state = postpone(advance(project.state, [read], NOW, project.windows), [unread])
    assert listing_start(project.state, project.windows) == NOW - 300 * DAY
    assert project.load() == {"old": "open"}
    assert project.load() == {}
