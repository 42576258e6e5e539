"""Groups of runs whose trials' calls are read together: few requests, and answers that fit in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import islice

from ..api.client import WeaveClient
from ..errors import ApiError, NotWeaveError, RefusedKeyError, TooHeavyError
from ..state.decisions import PlannedRun
from ..weave.runs import Run
from ..weave.trials import TrialCalls
from .trial_calls import any_trial_calls, read_trial_calls

_FIRST_RUNS = 2
_MOST_RUNS = 10
_MOST_TRIALS = 20_000
_MAX_CALLS_BYTES = 64_000_000


@dataclass(frozen=True)
class GroupCalls:
    """The calls of the trials of a group of runs, and by run id the errors where they cannot be read."""

    calls: TrialCalls = field(default_factory=dict)
    errors: dict[str, ApiError] = field(default_factory=dict)

    def __or__(self, other: GroupCalls) -> GroupCalls:
        return GroupCalls(self.calls | other.calls, self.errors | other.errors)


RequestCalls = Callable[[Sequence[PlannedRun]], "Future[GroupCalls]"]
"""Asks for the calls of the runs' trials."""


class RunGroups:
    """Takes runs group by group; the calls of the next group are asked for while one is read."""

    def __init__(self, planned_runs: Iterator[PlannedRun], request_calls: RequestCalls):
        self._planned_runs = planned_runs
        self._request_calls = request_calls
        self._runs = _FIRST_RUNS
        self._next = self._request()

    @property
    def has_more(self) -> bool:
        """Whether runs are left."""
        return bool(self._next[0])

    def take(self) -> tuple[list[PlannedRun], GroupCalls]:
        """The next group and the calls of its trials, which decide how many runs the one after it has."""
        group, found = self._next[0], self._next[1].result()
        self._runs = max(1, min(_MOST_RUNS, _MOST_TRIALS * len(group) // max(1, len(found.calls))))
        self._next = self._request()
        return group, found

    def _request(self) -> tuple[list[PlannedRun], Future[GroupCalls]]:
        group = list(islice(self._planned_runs, self._runs))
        return group, self._request_calls(group)


def read_group_calls(client: WeaveClient, group: Sequence[Run]) -> GroupCalls:
    """The calls of the runs' trials, in as many requests as it takes for each answer to fit in memory.

    Where Weave fails on some of the runs, those stand alone in the end.
    """
    limit = _MAX_CALLS_BYTES if len(group) > 1 else None
    try:
        return GroupCalls(read_trial_calls(client, group, max_bytes=limit))
    except (RefusedKeyError, NotWeaveError):
        raise
    except ApiError as error:
        if not isinstance(error, TooHeavyError) or len(group) < 2:
            _require_others(client, error)
        if len(group) < 2:
            return GroupCalls(errors={run.run_id: error for run in group})
    middle = len(group) // 2
    return read_group_calls(client, group[:middle]) | read_group_calls(client, group[middle:])


def _require_others(client: WeaveClient, error: ApiError) -> None:
    """Raises `error` if Weave does not even list the trials of a run that does not exist."""
    try:
        any_trial_calls(client)
    except ApiError:
        raise error from None
