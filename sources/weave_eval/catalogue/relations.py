"""Tables and views alike, as readers of the warehouse see them: keys, columns, and what joins what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from ..tables import TABLES, Column, Table
from ..warehouse.profiles import Profile
from ..warehouse.views.model import View, views


@dataclass(frozen=True)
class Relation:
    """A table or a view."""

    source: Table | View

    @property
    def name(self) -> str:
        """Its name in the dataset."""
        return self.source.name

    @property
    def is_view(self) -> bool:
        """Whether it is a view."""
        return isinstance(self.source, View)

    @property
    def key(self) -> tuple[str, ...]:
        """The columns whose values no two rows share."""
        return self.source.key

    @property
    def description(self) -> str:
        """What it is, and what a row of it is."""
        return self.source.description

    @property
    def label(self) -> str:
        """What it is called in words, such as Run scores."""
        return self.name.replace("_", " ").capitalize() if self._is_untitled else self.description.partition(": ")[0]

    @property
    def row(self) -> str:
        """What a row of it is."""
        return self.description if self._is_untitled else self.description.partition(": ")[2]

    @property
    def _is_untitled(self) -> bool:
        return ": " not in self.description

    @property
    def columns(self) -> tuple[Column, ...]:
        """Its columns in order; those of views have no origin in the API."""
        if isinstance(self.source, Table):
            return self.source.columns
        return tuple(Column(c.name, c.type, c.description, origin="") for c in self.source.columns)

    def dataset(self, destination: Profile) -> str:
        """The dataset that holds it."""
        return destination.dataset_of_views if self.is_view else destination.dataset

    def has(self, *names: str) -> bool:
        """Whether it has all these columns."""
        return {column.name for column in self.columns}.issuperset(names)


@dataclass(frozen=True)
class Reference:
    """Columns of a relation that name the row of another one.

    `is_certain` says that the other row is there whenever the columns are not null.
    """

    relation: str
    columns: tuple[str, ...]
    to: str
    to_columns: tuple[str, ...]
    is_certain: bool = True

    @property
    def alias(self) -> str:
        """The name under which the other relation is joined: its own, or for a baseline's columns one that says so."""
        role = next((name for name in _ROLES if self.columns[0].startswith(name)), "")
        return f"{role}{self.to}"


_ROLES = ("baseline_", "previous_")
_RUN = (("run_id",), "evaluation_runs", ("run_id",))

_OF_TABLES = (
    Reference("evaluation_runs", ("evaluation_ref",), "evaluations", ("ref",), is_certain=False),
    Reference("evaluation_runs", ("model_ref",), "models", ("ref",), is_certain=False),
    Reference("evaluations", ("dataset_ref",), "datasets", ("ref",), is_certain=False),
    Reference("result_rows", *_RUN),
    Reference("result_rows", ("project_id", "row_digest"), "dataset_rows", ("project_id", "row_digest")),
    Reference("trials", *_RUN),
    Reference("trials", ("result_row_id",), "result_rows", ("result_row_id",)),
    Reference("scores", *_RUN),
    Reference("scores", ("trial_id",), "trials", ("trial_id",)),
    Reference("scorer_stats", *_RUN),
    Reference("feedback", *_RUN, is_certain=False),
    Reference("feedback", ("trial_id",), "trials", ("trial_id",), is_certain=False),
    Reference("predictions", *_RUN),
    Reference("predictions", ("model_ref",), "models", ("ref",), is_certain=False),
    Reference("reconciliations", *_RUN),
    Reference("gate_decisions", *_RUN, is_certain=False),
)

_HOMES = {"run_id": "dim_runs", "model_id": "dim_models", "evaluation_id": "dim_evaluations", "input_id": "dim_inputs",
          "trial_id": "fct_trials"}  # fmt: skip
"""The views whose rows ids stand for."""


@lru_cache(maxsize=1)
def relations() -> tuple[Relation, ...]:
    """Every table, then every view by name."""
    return (*map(Relation, TABLES), *map(Relation, sorted(views(), key=lambda view: view.name)))


@lru_cache(maxsize=1)
def references() -> tuple[Reference, ...]:
    """What joins what: the tables among themselves, then the views."""
    return (*_OF_TABLES, *_of_views())


def _of_views() -> Iterator[Reference]:
    """Each column of a view that has the name of an id, including those of a baseline or the previous run."""
    for view in sorted(views(), key=lambda view: view.name):
        for column in view.columns:
            name = column.name
            plain = next((name.removeprefix(role) for role in _ROLES if name.startswith(role)), name)
            home = _HOMES.get(plain)
            if home and home != view.name:
                yield Reference(view.name, (name,), home, (plain,))
