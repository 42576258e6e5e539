from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weave_eval.api.limiter import RateLimiter


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


def _limiter(per_second: float) -> tuple[RateLimiter, Clock]:
    clock = Clock()
    return RateLimiter(per_second, clock, clock.sleep), clock


def _starts(limiter: RateLimiter, clock: Clock, count: int) -> list[float]:
    starts = []
    for _ in range(count):
        limiter.acquire()
        starts.append(clock.now)
    return starts


def _gap(limiter: RateLimiter, clock: Clock) -> float:
    first, second = _starts(limiter, clock, 2)
    return second - first


def test_requests_are_spaced_evenly_from_the_first_on() -> None:
    limiter, clock = _limiter(4.0)
    assert _starts(limiter, clock, 4) == pytest.approx([1000.0, 1000.25, 1000.5, 1000.75])


def test_time_that_passed_unused_is_not_saved_up() -> None:
    limiter, clock = _limiter(2.0)
    limiter.acquire()
    clock.now += 60.0
    assert _starts(limiter, clock, 3) == pytest.approx([1060.0, 1060.5, 1061.0])


def test_a_refusal_pauses_and_halves_the_rate() -> None:
    limiter, clock = _limiter(10.0)
    limiter.acquire()
    limiter.refused(7.0)
    assert _starts(limiter, clock, 3) == pytest.approx([1007.0, 1007.2, 1007.4])


def test_a_shorter_pause_does_not_cut_a_longer_one() -> None:
    limiter, clock = _limiter(10.0)
    limiter.refused(9.0)
    limiter.refused(1.0)
    assert _starts(limiter, clock, 1) == pytest.approx([1009.0])


def test_each_success_raises_the_rate_by_five_percent() -> None:
    limiter, clock = _limiter(10.0)
    limiter.refused(0.0)
    limiter.succeeded()
    assert 1 / _gap(limiter, clock) == pytest.approx(5.25)


def test_the_highest_rate_is_reached_again_and_not_passed() -> None:
    limiter, clock = _limiter(10.0)
    limiter.refused(0.0)
    for _ in range(100):
        limiter.succeeded()
    assert 1 / _gap(limiter, clock) == pytest.approx(10.0)


def test_endless_refusals_leave_one_request_in_five_seconds() -> None:
    limiter, clock = _limiter(100.0)
    for _ in range(50):
        limiter.refused(0.0)
    assert _gap(limiter, clock) == pytest.approx(5.0)


def test_a_highest_rate_below_that_is_kept() -> None:
    limiter, clock = _limiter(0.1)
    limiter.refused(0.0)
    assert _gap(limiter, clock) == pytest.approx(10.0)


EVENTS = st.lists(st.sampled_from(["acquire", "refused", "succeeded"]), max_size=60)


@given(st.floats(0.05, 1000.0), EVENTS)
def test_the_rate_stays_between_its_bounds_whatever_happens(per_second: float, events: list[str]) -> None:
    limiter, clock = _limiter(per_second)
    for event in events:
        if event == "refused":
            limiter.refused(0.5)
        else:
            getattr(limiter, event)()
    gap = _gap(limiter, clock)
    assert 1 / per_second - 1e-9 <= gap <= max(5.0, 1 / per_second) + 1e-9


def test_threads_share_one_rate() -> None:
    lock, delays = threading.Lock(), []

    def remember(seconds: float) -> None:
        with lock:
            delays.append(seconds)

    limiter = RateLimiter(10.0, clock=lambda: 5.0, sleep=remember)
    threads = [threading.Thread(target=limiter.acquire) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(delays) == pytest.approx([number / 10 for number in range(1, 20)])
