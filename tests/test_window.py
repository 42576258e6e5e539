"""As many answers are asked for ahead as it takes, and no more."""

from __future__ import annotations

import heapq

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weave_eval.window import Window

WORK = 0.03
MOST = 20


def idle_share(window: Window, latency: float, count: int) -> float:
    """Seconds waited for answers, over all, by a reader that takes `count` answers, each of which is work."""
    now = waited = 0.0
    under_way: list[float] = []
    for _ in range(count):
        while len(under_way) < window.size:
            heapq.heappush(under_way, now + latency)
        window.note(sum(at <= now for at in under_way), refusals=0)
        arrival = heapq.heappop(under_way)
        waited += max(0.0, arrival - now)
        now = max(now, arrival) + WORK
    return waited / now


@pytest.mark.parametrize(("latency", "least", "largest"), [(0.001, 4, 6), (0.1, 4, 10), (0.4, 13, 19), (2.0, 20, 20)])
def test_the_size_follows_the_latency(latency: float, least: int, largest: int) -> None:
    window = Window(MOST)
    idle_share(window, latency, 500)
    assert least <= window.size <= largest


@pytest.mark.parametrize("latency", [0.001, 0.1, 0.4, 0.55])
def test_hardly_anything_is_waited_for_where_the_bound_allows_it(latency: float) -> None:
    window = Window(MOST)
    idle_share(window, latency, 100)
    assert idle_share(window, latency, 500) < 0.2


def test_a_refusal_halves_it_once() -> None:
    window = Window(MOST)
    for _ in range(MOST):
        window.note(0, refusals=0)
    window.note(0, refusals=2)
    assert window.size == MOST // 2
    window.note(0, refusals=2)
    assert window.size == MOST // 2 + 1


@given(st.integers(1, 100), st.lists(st.tuples(st.integers(0, 100), st.integers(0, 3))))
def test_it_keeps_between_its_bounds(most: int, notes: list[tuple[int, int]]) -> None:
    window = Window(most)
    refusals = 0
    for answers, more in notes:
        refusals += more
        window.note(answers, refusals)
        assert min(4, most) <= window.size <= most
