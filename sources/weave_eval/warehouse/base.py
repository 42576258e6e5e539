"""What is asked of a warehouse, and what holds for most of them: one class per warehouse says what differs."""

# ruff: noqa: ARG002 - most warehouses make no use of what some of them need

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import pyarrow as pa
from dlt.destinations.sql_client import SqlClientBase

from ..schema import SCOPE
from ..tables import ColumnType
from .comments import lacking_comments
from .location import Location
from .locks import ProjectLock
from .views.catalogue import Catalogue
from .views.dialect import Dialect
from .views.place import ViewPlace

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

Form = Literal["parquet", "jsonl", "arrow"]
"""What rows are handed to dlt as: files of a kind, or Arrow tables of which dlt makes what the destination takes."""

DataType = Any
"""An Arrow type."""

Errors = tuple[type[Exception], ...]

ColumnDescription = Any
"""One column of a DB-API cursor's description: a tuple, in which each driver says the type in its own way."""


class Warehouse:
    """A kind of warehouse. Its methods work through clients and connections that they are given, and keep none.

    A class for another one names at least `type`, `title`, `drivers`, `column_types` and `destination`, and makes
    engines. It has views if it names a `dialect`. By itself, this class is right for any destination of dlt's that is
    loaded into and not read from.
    """

    type: str
    """Its name in profiles."""
    title: str
    """Its name as its makers spell it."""
    drivers: tuple[str, ...] = ()
    """The modules that have to be installed."""
    column_types: ClassVar[Mapping[ColumnType, str]]
    """What it calls the types of columns."""
    destination: str
    """dlt's name of the destination, or the path of its class."""

    form: Form = "arrow"
    merge_scope: str = SCOPE
    """Which rows of a table go when runs come, in SQL, with `{staging_table}` for what comes."""
    gives_json_as_text: bool = False
    """Whether dlt's client leaves JSON unparsed."""
    engine_parses_json: bool = True
    """Whether connections of its engines give JSON as Python knows it."""
    is_file: bool = False
    """Whether all of it is one file, which one program at a time can write to."""
    locks_projects: bool = False
    """Whether `project_lock` holds a lock that other machines see."""

    dialect: Dialect | None = None
    """The SQL that views are made in and questions are written in; None if there are no views for it."""
    catalogue_query: str = ""
    """Asks for tables in one dataset with NULL, and for views in another with their definitions."""
    comments_query: str = ""
    """Asks for comments of tables, then of columns, in a dataset that is given twice: table, column or '', comment."""
    changes_comments_at_once: bool = True
    """Whether several comments are written in one transaction."""

    quote: str = '"'
    json_as_text: str = "CAST({} AS VARCHAR)"
    """The text of a JSON value in SQL."""

    @property
    def requirement(self) -> str:
        """What `pip install` has to install for the drivers."""
        return f"weave-eval[{self.type}]"

    @property
    def driver_errors(self) -> Errors:
        """Errors of its driver that dlt does not turn into its own."""
        return ()

    def stored_name(self, name: str) -> str:
        """The name of a dataset, table or column as the warehouse stores it."""
        return name

    def quoted_name(self, name: str) -> str:
        """The name in quotes, so that words of SQL are names too."""
        return f"{self.quote}{self.stored_name(name).replace(self.quote, self.quote * 2)}{self.quote}"

    def qualified_name(self, dataset: str, name: str) -> str:
        """A table or view with its dataset."""
        return f"{self.quoted_name(dataset)}.{self.quoted_name(name)}"

    def literal(self, text: str) -> str:
        """A text in SQL."""
        return "'" + text.replace("'", "''") + "'"

    def joined_key(self, columns: Sequence[str]) -> str:
        """SQL for a key of several columns as one text.

        The lengths of all but the last keep `a, bc` and `ab, c` apart.
        """
        text_type = self.column_types["text"]
        *first, last = (f"CAST({column} AS {text_type})" for column in columns)
        counted = [f"CAST(LENGTH({text}) AS {text_type}) || ':' || {text}" for text in first]
        return " || ".join([*counted, last])

    def file_holder(self, message: str) -> str | None:
        """Who has the file open, if a message of the driver says that somebody has; empty if it does not say who."""
        return None

    def set_aside_unfinished(self, location: Location) -> list[str]:
        """Renames a file whose making was cut short, and that holds nothing; says so in a warning."""
        return []

    def require_usable(self, sql: SqlClientBase[Any]) -> None:
        """Raises `SettingsError` if the database cannot hold what loads write."""

    def project_lock(
        self, sql: SqlClientBase[Any], dataset: str, project: str, wait_seconds: float
    ) -> AbstractContextManager[ProjectLock]:
        """Holds the lock of a project in a dataset through a connection. Raises `BusyError` if it is not soon free."""
        return nullcontext(ProjectLock())

    def impatient(self, sql: SqlClientBase[Any]) -> AbstractContextManager[None]:
        """A context in which statements give up soon on what others have locked."""
        return nullcontext()

    def is_made_at_once(self, error: BaseException) -> bool:
        """Whether the error says that another load makes the same thing at this moment."""
        return False

    def make_indexes(self, sql: SqlClientBase[Any]) -> int:
        """Makes the indexes that the tables lack; returns how many."""
        return 0

    def update_comments(self, sql: SqlClientBase[Any]) -> int:
        """Writes the descriptions that the tables do not carry yet; returns how many."""
        statements = lacking_comments(sql, self.comments_query, self.literal) if self.comments_query else []
        if statements:
            with sql.begin_transaction() if self.changes_comments_at_once else nullcontext():
                sql.execute_many(statements)
        return len(statements)

    def find_views(self, place: ViewPlace) -> Catalogue:
        """The tables and views that are there, in one query."""
        found = place.empty_catalogue()
        for name, definition in place.sql.execute_sql(self.catalogue_query, *place.stored_datasets()) or ():
            found.add(name, definition)
        return found

    def write_views(self, place: ViewPlace, found: Catalogue) -> None:
        """Makes all views, and drops those that are no longer declared. Raises dlt's `DatabaseException`."""
        with place.sql.begin_transaction():
            place.make_dataset()
            for name in found.former:
                place.sql.execute_sql(f"DROP VIEW {place.full_name(name)}")
            place.sql.execute_many(place.statements(found.wanted, self.literal))

    def engine(self, location: Location) -> Engine:
        """A SQLAlchemy engine for a place, to read from; it keeps no connection open."""
        raise NotImplementedError

    def for_export(self, connection: Connection) -> Connection:
        """The connection, made ready for one query that only reads and whose JSON comes as its text."""
        return connection

    def driver_sql(self, sql: str) -> str:
        """A query without parameters as the driver takes it."""
        return sql

    def result_name(self, name: str) -> str:
        """The name of a result's column as the tables spell it."""
        return name

    def is_json(self, column: ColumnDescription) -> bool:
        """Whether a result's column is JSON whose values the driver has parsed, texts among them."""
        return False

    def arrow_type(self, column: ColumnDescription) -> DataType:
        """The Arrow type of a result's column; text for JSON and for whatever else no file format shares."""
        return pa.string()
