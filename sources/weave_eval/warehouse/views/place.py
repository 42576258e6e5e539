"""Where views are made: the dataset of the tables that they show and their own, through a client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from dlt.destinations.sql_client import SqlClientBase

from .catalogue import Catalogue, Mark
from .dialect import Dialect
from .model import View, fingerprint, view_names, views

_LONGEST_DATASET = 63  # of a label of BigQuery


@dataclass(frozen=True)
class Definition:
    """A view as a warehouse is to have it: its name in full, and its query."""

    view: View
    name: str
    query: str


@dataclass(frozen=True)
class ViewPlace:
    """A client, the dataset of the tables and that of the views, and the SQL that they are made in."""

    sql: SqlClientBase[Any]
    dataset: str
    views_dataset: str
    dialect: Dialect

    def empty_catalogue(self) -> Catalogue:
        """What the catalogue tells before anything was looked up in it."""
        wanted = Mark(self.dataset[:_LONGEST_DATASET], fingerprint())
        return Catalogue(wanted, is_shared=self.views_dataset != self.dataset)

    def stored_datasets(self) -> list[str]:
        """Both datasets by the names under which the warehouse stores them."""
        path = self.sql.make_qualified_table_name_path
        return [path(None, quote=False, dataset_name=name)[-1] for name in (self.dataset, self.views_dataset)]

    def full_name(self, view: str) -> str:
        """A view's name with all that can be put before it, in quotes."""
        return ".".join(self.sql.make_qualified_table_name_path(view, dataset_name=self.views_dataset))

    def definitions(self, mark: Mark) -> Iterator[Definition]:
        """The views as the warehouse is to have them, each after those that it reads."""
        ours = set(view_names())
        # A name without its catalogue stays right in a copy of the database.
        length = 3 if self.dialect.names_catalogue else 2

        def name_in_view(name: str) -> str:
            dataset = self.views_dataset if name in ours else self.dataset
            return ".".join(self.sql.make_qualified_table_name_path(name, dataset_name=dataset)[-length:])

        for view in views():
            yield Definition(view, name_in_view(view.name), view.query(self.dialect.name, name_in_view, str(mark)))

    def make_dataset(self) -> None:
        """Makes the dataset of the views, if it is one of their own that is not there yet."""
        if self.views_dataset != self.dataset:
            with self.sql.with_alternative_dataset_name(self.views_dataset):
                if not self.sql.has_dataset():
                    self.sql.create_dataset()

    def statements(self, mark: Mark, literal: Callable[[str], str]) -> list[str]:
        """The statements that make all views with their comments; `literal` writes a text in SQL."""
        return [line for definition in self.definitions(mark) for line in self._create(definition, literal)]

    def _create(self, definition: Definition, literal: Callable[[str], str]) -> Iterator[str]:
        view, name = definition.view, definition.name
        yield f"CREATE OR REPLACE VIEW {name} AS {definition.query}"
        yield f"COMMENT ON VIEW {name} IS {literal(view.description)}"
        for column in view.columns:
            subject = f"{name}.{self.sql.escape_column_name(column.name)}"
            yield f"COMMENT ON COLUMN {subject} IS {literal(column.description)}"
