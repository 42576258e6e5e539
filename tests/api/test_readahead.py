"""As many answers are asked for ahead as it takes, and no more."""

from __future__ import annotations

import heapq

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weave_eval.api.readahead import ReadAhead

WORK = 0.03
MOST = 20


def idle_share(window: ReadAhead, latency: float, count: int) -> float:
    """Seconds waited for answers, over all, by a reader that takes `count` answers, each of which is work."""
    now = waited = 0.0
    under_way: list[float] = []
    for _ in range(count):
        while len(under_way) < window.size:
            heapq.heappush(under_way, now + latency)
        there = sum(at <= now for at in under_way)
        arrival = heapq.heappop(under_way)
        if there:
            window.found(there)
        else:
            window.waited(arrival - now)
            waited += arrival - now
        now = max(now, arrival) + WORK
    return waited / now


@pytest.mark.parametrize(("latency", "least", "largest"), [(0.001, 4, 8), (0.1, 4, 12), (0.4, 13, 20), (2.0, 20, 20)])
def test_the_size_follows_the_latency(latency: float, least: int, largest: int) -> None:
    window = ReadAhead(MOST)
    idle_share(window, latency, 500)
    assert least <= window.size <= largest


@pytest.mark.parametrize("latency", [0.001, 0.1, 0.4, 0.55])
def test_hardly_anything_is_waited_for_where_the_bound_allows_it(latency: float) -> None:
    window = ReadAhead(MOST)
    idle_share(window, latency, 100)
    assert idle_share(window, latency, 500) < 0.2


def test_a_wait_in_which_the_process_was_busy_does_not_count() -> None:
    window = ReadAhead(MOST)
    first = window.size
    window.waited(0.0001)
    assert window.size == first
    window.waited(0.1)
    assert window.size == first + 1


def test_each_refusal_is_heeded_once() -> None:
    window = ReadAhead(MOST)
    for _ in range(MOST):
        window.waited(1.0)
    window.refused(2)
    window.refused(2)
    assert window.size == MOST // 2
    window.refused(3)
    assert window.size == MOST // 4


@given(
    st.integers(1, 100),
    st.lists(st.one_of(st.tuples(st.just("waited"), st.floats(0, 9)), st.tuples(st.just("found"), st.integers(1, 99)))),
    st.integers(0, 3),
)
def test_it_keeps_between_its_bounds(most: int, notes: list[tuple[str, float]], refusals: int) -> None:
    window = ReadAhead(most)
    for count, (name, value) in enumerate(notes):
        getattr(window, name)(value)
        window.refused(min(count, refusals))
        assert min(4, most) <= window.size <= most
