"""Snowflake: names are stored in upper case, and each statement is by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa
from dlt.common.data_writers.escape import escape_snowflake_literal

from ..tables import ColumnType
from .arrow_types import INSTANT, MOMENT, decimal_type
from .base import ColumnDescription, DataType, Warehouse
from .location import Location
from .views.catalogue import Catalogue
from .views.dialect import Dialect, JsonFields
from .views.place import Definition, ViewPlace

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.sql.compiler import IdentifierPreparer

_IN_URL = ("account", "user", "password", "database", "warehouse", "role")
_FIXED = 0
_ARROW_TYPES = {  # by the connector's type codes
    1: pa.float64(),
    3: pa.date32(),
    4: INSTANT,
    6: INSTANT,
    7: INSTANT,
    8: MOMENT,
    13: pa.bool_(),
}


class Snowflake(Warehouse):
    """Snowflake."""

    type = "snowflake"
    title = "Snowflake"
    drivers = ("snowflake.connector", "snowflake.sqlalchemy")
    column_types: ClassVar[Mapping[ColumnType, str]] = {
        "text": "TEXT",
        "bigint": "NUMBER",
        "double": "FLOAT",
        "bool": "BOOLEAN",
        "timestamp": "TIMESTAMP_LTZ",
        "json": "VARIANT",
    }
    destination = f"{__package__}.snowflake_destination.snowflake"
    form = "jsonl"  # its loader of parquet turns JSON into texts
    gives_json_as_text = True
    engine_parses_json = False
    changes_comments_at_once = False
    json_as_text = "TO_JSON({})"
    dialect = Dialect(
        "snowflake",
        json_text="TO_JSON({0})",
        seconds_between="DATEDIFF(MICROSECOND, {0}, {1}) / CAST(1000000 AS DOUBLE)",
        json_fields=JsonFields(
            "LATERAL FLATTEN(INPUT => CASE WHEN IS_OBJECT({x}) THEN {x} END) AS {field}",
            "{field}.key",
            "CAST({field}.value AS VARCHAR)",
        ),
        counts_for_exists=True,
        has_upper_case_names=True,
    )
    catalogue_query = """
SELECT table_name, NULL FROM information_schema.tables WHERE table_type = 'BASE TABLE' AND table_schema = %s
UNION ALL SELECT table_name, COALESCE(view_definition, '') FROM information_schema.views WHERE table_schema = %s"""
    comments_query = """
SELECT table_name, '', comment FROM information_schema.tables WHERE table_schema = %s
UNION ALL SELECT table_name, column_name, comment FROM information_schema.columns WHERE table_schema = %s"""

    def stored_name(self, name: str) -> str:
        """The name in upper case."""
        return name.upper()

    def literal(self, text: str) -> str:
        """A text in SQL."""
        literal: str = escape_snowflake_literal(text)
        return literal

    def write_views(self, place: ViewPlace, found: Catalogue) -> None:
        """Makes each view with its comments in one statement, and drops those that are no longer declared."""
        place.make_dataset()
        for definition in place.definitions(found.wanted):
            place.sql.execute_sql(self.view_statement(place, definition))
        for name in found.former:
            place.sql.execute_sql(f"DROP VIEW IF EXISTS {place.full_name(name)}")

    def view_statement(self, place: ViewPlace, definition: Definition) -> str:
        """The statement that makes a view; what was granted on it stays."""
        view, name = definition.view, definition.name
        columns = ", ".join(
            f"{place.sql.escape_column_name(column.name)} COMMENT {self.literal(column.description)}"
            for column in view.columns
        )
        comment = self.literal(view.description)
        return f"CREATE OR REPLACE VIEW {name} ({columns}) COPY GRANTS COMMENT = {comment} AS {definition.query}"

    def engine(self, location: Location) -> Engine:
        """An engine whose quoted names are stored names."""
        from snowflake.sqlalchemy import URL  # noqa: PLC0415 - an extra
        from sqlalchemy import NullPool, create_engine  # noqa: PLC0415 - loads do without

        given: dict[str, Any] = location.credentials.to_connector_params()
        in_url = {name: given.pop(name) for name in _IN_URL if name in given}
        engine = create_engine(URL(**in_url), poolclass=NullPool, connect_args=given)
        _quote_in_upper_case(engine.dialect.identifier_preparer)
        return engine

    def result_name(self, name: str) -> str:
        """Names that were not put in quotes are in lower case, as the tables spell them."""
        return name.lower() if name.isupper() else name

    def arrow_type(self, column: ColumnDescription) -> DataType:
        """The Arrow type by the connector's type code."""
        if column[1] == _FIXED:
            return decimal_type(column[4], column[5]) if column[5] else pa.int64()
        return _ARROW_TYPES.get(column[1], pa.string())


def _quote_in_upper_case(preparer: IdentifierPreparer) -> None:
    """Makes quoted names (those that are words of SQL) upper case, as Snowflake stores them."""
    quote = preparer.quote_identifier
    preparer.quote_identifier = lambda value: quote(value.upper())  # type: ignore[method-assign]
