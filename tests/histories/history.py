"""Random histories of a project and of its loads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hypothesis import strategies as st

from tests.histories.project import CHANGING, MAKING, Change

Kind = Literal["load", "full", "some", "verify"]


@dataclass(frozen=True)
class Step:
    """A load: of what kind, what changes before it and before which of its requests.

    It may find the server down from a request on, or be interrupted after so many runs.
    """

    kind: Kind
    before: tuple[Change, ...]
    during: tuple[tuple[int, Change], ...]
    down_from: int | None
    interrupted_after: int | None


@dataclass(frozen=True)
class History:
    """Loads, and the settings that all of them have."""

    steps: tuple[Step, ...]
    deleted_runs: str
    package_runs: int
    page_rows: int
    with_predictions: bool

    @property
    def changes(self) -> int:
        """How many changes there are."""
        return sum(len(step.before) + len(step.during) for step in self.steps)


def _changes(*what: str) -> st.SearchStrategy[Change]:
    return st.builds(Change, st.sampled_from(what), st.integers(0, 9), st.integers(0, 7))


_MADE = _changes(*MAKING)
_CHANGED = _changes(*MAKING, *CHANGING, "grow", "finish", "rename")
_BEFORE_REQUEST = st.integers(1, 20)
_KINDS: tuple[Kind, ...] = ("load", "load", "load", "full", "some", "verify")


def _steps(kinds: tuple[Kind, ...], before: st.SearchStrategy[list[Change]]) -> st.SearchStrategy[Step]:
    return st.builds(
        Step,
        st.sampled_from(kinds),
        before.map(tuple),
        st.lists(st.tuples(_BEFORE_REQUEST, _CHANGED), max_size=4).map(tuple),
        st.none() | _BEFORE_REQUEST | st.none(),
        st.none() | st.integers(1, 3) | st.none(),
    )


def _several(change: st.SearchStrategy[Change]) -> st.SearchStrategy[list[Change]]:
    return st.lists(change, min_size=2, max_size=7)


HISTORIES = st.builds(
    History,
    st.builds(
        lambda first, others: (first, *others),
        _steps(("load",), _several(_MADE)),
        st.lists(_steps(_KINDS, _several(_CHANGED)), min_size=1, max_size=3),
    ),
    st.sampled_from(("mark", "remove")),
    st.sampled_from((50, 2)),
    st.sampled_from((2, 500)),
    st.booleans(),
)
