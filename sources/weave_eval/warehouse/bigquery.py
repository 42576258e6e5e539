"""BigQuery: tables are clustered, and what is said of them goes through the API."""

from __future__ import annotations

import base64
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa
from dlt.destinations.sql_client import SqlClientBase

from ..tables import ColumnType
from .arrow_types import INSTANT, MOMENT, MOST_DIGITS
from .base import ColumnDescription, DataType, Warehouse
from .bigquery_api import list_views, update_descriptions, write_views
from .location import Location
from .views.catalogue import Catalogue
from .views.dialect import Dialect, JsonFields
from .views.place import ViewPlace

if TYPE_CHECKING:
    from sqlalchemy import Engine

# JSON_KEYS puts names with special characters in quotes.
_FIELD_NAME = """CASE WHEN STARTS_WITH({field}, '"') THEN JSON_VALUE({field}, '$') ELSE {field} END"""
_FIELD_VALUE = f"COALESCE(JSON_VALUE({{x}}[{_FIELD_NAME}]), NULLIF(TO_JSON_STRING({{x}}[{_FIELD_NAME}]), 'null'))"

_ARROW_TYPES = {
    **dict.fromkeys(("BOOLEAN", "BOOL"), pa.bool_()),
    **dict.fromkeys(("INTEGER", "INT64"), pa.int64()),
    **dict.fromkeys(("FLOAT", "FLOAT64", "BIGNUMERIC"), pa.float64()),
    "NUMERIC": pa.decimal128(MOST_DIGITS, 9),
    "DATE": pa.date32(),
    "DATETIME": MOMENT,
    "TIMESTAMP": INSTANT,
}


class BigQuery(Warehouse):
    """BigQuery."""

    type = "bigquery"
    title = "BigQuery"
    drivers = ("google.cloud.bigquery", "sqlalchemy_bigquery")
    column_types: ClassVar[Mapping[ColumnType, str]] = {
        "text": "STRING",
        "bigint": "INT64",
        "double": "FLOAT64",
        "bool": "BOOL",
        "timestamp": "TIMESTAMP",
        "json": "JSON",
    }
    destination = f"{__package__}.bigquery_destination.bigquery"
    form = "jsonl"  # its loader of parquet turns JSON into texts
    quote = "`"
    json_as_text = "TO_JSON_STRING({})"
    dialect = Dialect(
        "bigquery",
        json_text="NULLIF(TO_JSON_STRING({0}), 'null')",  # it calls NULL so too
        seconds_between="TIMESTAMP_DIFF({1}, {0}, MICROSECOND) / CAST(1000000 AS FLOAT64)",
        json_fields=JsonFields("UNNEST(JSON_KEYS({x}, 1)) AS {field}", _FIELD_NAME, _FIELD_VALUE),
        carries_mark=False,  # it is a label
        names_catalogue=True,  # else the reader's project is meant
    )

    def update_comments(self, sql: SqlClientBase[Any]) -> int:
        """Writes the descriptions that the tables do not carry yet; returns how many."""
        return update_descriptions(sql)

    def find_views(self, place: ViewPlace) -> Catalogue:
        """The tables and views that are there."""
        return list_views(place)

    def write_views(self, place: ViewPlace, found: Catalogue) -> None:
        """Makes all views, and drops those that are no longer declared."""
        write_views(place, found)

    def engine(self, location: Location) -> Engine:
        """An engine with the credentials that dlt has found, or with the default ones."""
        from sqlalchemy import URL, NullPool, create_engine  # noqa: PLC0415 - loads do without

        credentials = location.credentials
        query = {}
        if not credentials.has_default_credentials():
            key = credentials.to_native_representation().encode()
            query["credentials_base64"] = base64.urlsafe_b64encode(key).decode()
        url = URL.create("bigquery", host=credentials.project_id, query=query)
        # What is read here is small: the client's other, faster way of fetching is not missed.
        warnings.filterwarnings("ignore", message="Cannot create BigQuery Storage client")
        return create_engine(url, poolclass=NullPool)

    def driver_sql(self, sql: str) -> str:
        """Its driver alone takes %% for % in a query without parameters."""
        return sql.replace("%", "%%")

    def is_json(self, column: ColumnDescription) -> bool:
        """Whether the column is JSON, which the driver parses."""
        return bool(column[1] == "JSON")

    def arrow_type(self, column: ColumnDescription) -> DataType:
        """The Arrow type by BigQuery's name of the type."""
        return _ARROW_TYPES.get(column[1], pa.string())
