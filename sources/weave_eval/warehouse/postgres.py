"""Postgres: runs are copied into indexed tables, and a project is locked in the database itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa
from dlt.common.data_writers.escape import escape_postgres_literal
from dlt.destinations.exceptions import DatabaseException, DatabaseTerminalException
from dlt.destinations.sql_client import SqlClientBase

from ..errors import SettingsError
from ..tables import ColumnType
from .arrow_types import INSTANT, MOMENT, decimal_type
from .base import ColumnDescription, DataType, Warehouse
from .location import Location
from .locks import ProjectLock
from .postgres_indexes import make_indexes
from .postgres_lock import advisory_lock
from .postgres_sessions import END_WITH_CLIENT
from .views.catalogue import Catalogue
from .views.dialect import Dialect, JsonFields
from .views.model import view_names
from .views.place import ViewPlace

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

_MADE_AT_ONCE = {"23505", "40P01", "42710", "42P06", "42P07", "55P03", "XX000"}
"""Codes for what another load makes or has locked at this moment; there is no code for a concurrent update."""
_CANNOT_REPLACE = "42P16"
"""The code for a view that loses or changes columns: it has to be dropped."""

_GRANTS = """
SELECT c.relname, a.privilege_type, CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(r.rolname) END,
  CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace CROSS JOIN aclexplode(c.relacl) a
LEFT JOIN pg_roles r ON r.oid = a.grantee
WHERE n.nspname = %s AND c.relkind = 'v' AND a.grantee <> c.relowner"""

_NUMERIC = 1700
_ARROW_TYPES = {  # by OID
    16: pa.bool_(),
    **dict.fromkeys((20, 21, 23), pa.int64()),
    **dict.fromkeys((700, 701), pa.float64()),
    1082: pa.date32(),
    1114: MOMENT,
    1184: INSTANT,
}


class Postgres(Warehouse):
    """Postgres."""

    type = "postgres"
    title = "Postgres"
    drivers = ("psycopg2", "adbc_driver_postgresql")
    column_types: ClassVar[Mapping[ColumnType, str]] = {
        "text": "CHARACTER VARYING",
        "bigint": "BIGINT",
        "double": "DOUBLE PRECISION",
        "bool": "BOOLEAN",
        "timestamp": "TIMESTAMP WITH TIME ZONE",
        "json": "JSONB",
    }
    destination = f"{__package__}.postgres_destination.postgres"
    form = "parquet"
    # Postgres knows nothing of the rows just staged, and would scan the whole table for IN.
    merge_scope = (
        "run_id = ANY (ARRAY(SELECT DISTINCT run_id FROM {staging_table})) "
        "AND project_id = ANY (ARRAY(SELECT DISTINCT project_id FROM {staging_table}))"
    )
    locks_projects = True
    json_as_text = "CAST({} AS TEXT)"
    dialect = Dialect(
        "postgres",
        json_text="CAST({0} AS TEXT)",
        seconds_between="CAST(EXTRACT(EPOCH FROM {1} - {0}) AS DOUBLE PRECISION)",
        json_fields=JsonFields(
            "LATERAL JSONB_EACH_TEXT(CASE WHEN JSONB_TYPEOF({x}) = 'object' THEN {x} END) AS {field}(name, value)",
            "{field}.name",
            "{field}.value",
        ),
    )
    catalogue_query = """
SELECT tablename, NULL FROM pg_tables WHERE schemaname = %s
UNION ALL SELECT viewname, definition FROM pg_views WHERE schemaname = %s"""
    comments_query = """
SELECT t.relname, '', obj_description(t.oid, 'pg_class') FROM pg_class t
JOIN pg_namespace n ON n.oid = t.relnamespace WHERE n.nspname = %s
UNION ALL SELECT t.relname, c.attname, col_description(t.oid, c.attnum) FROM pg_class t
JOIN pg_namespace n ON n.oid = t.relnamespace JOIN pg_attribute c ON c.attrelid = t.oid WHERE n.nspname = %s"""

    def literal(self, text: str) -> str:
        """A text in SQL."""
        literal: str = escape_postgres_literal(text)
        return literal

    def require_usable(self, sql: SqlClientBase[Any]) -> None:
        """Raises `SettingsError` for a database in another encoding, which cannot hold every text."""
        ((encoding,),) = sql.execute_sql("SHOW server_encoding") or [("UTF8",)]
        if encoding != "UTF8":
            raise SettingsError(
                f"The Postgres database {sql.database_name!r} has the encoding {encoding}, which cannot hold every "
                "text. Load into a database that was created with ENCODING 'UTF8'."
            )

    def project_lock(
        self, sql: SqlClientBase[Any], dataset: str, project: str, wait_seconds: float
    ) -> AbstractContextManager[ProjectLock]:
        """Holds an advisory lock, which ends with the connection, however the load ends."""
        return advisory_lock(sql, dataset, project, wait_seconds)

    @contextmanager
    def impatient(self, sql: SqlClientBase[Any]) -> Iterator[None]:
        """Gives up on a lock before a deadlock would be found: nobody's query is ended.

        After an error, dlt has reset the connection.
        """
        sql.execute_sql("SET lock_timeout = '500ms'")
        yield
        sql.execute_sql("RESET lock_timeout")

    def is_made_at_once(self, error: BaseException) -> bool:
        """Whether the error's code is one of those that say so."""
        return _code(error) in _MADE_AT_ONCE

    def make_indexes(self, sql: SqlClientBase[Any]) -> int:
        """Makes the indexes that the tables lack; returns how many. Costs one query where none does."""
        return make_indexes(sql)

    def write_views(self, place: ViewPlace, found: Catalogue) -> None:
        """Replaces the views where their columns allow it, else makes them anew with the same grants."""
        made = place.statements(found.wanted, self.literal)
        try:
            self._write_in_transaction(place, made, is_anew=False)
        except DatabaseTerminalException as error:
            if _code(error) != _CANNOT_REPLACE:
                raise
            self._write_in_transaction(place, made, is_anew=True)

    def _write_in_transaction(self, place: ViewPlace, made: list[str], *, is_anew: bool) -> None:
        sql = place.sql
        with self.impatient(sql), sql.begin_transaction():
            sql.execute_sql("SELECT pg_advisory_xact_lock(hashtext(%s))", f"weave_eval views of {place.views_dataset}")
            found = self.find_views(place)
            if found.is_up_to_date:
                return  # another load was faster
            place.make_dataset()
            dropped = found.ours if is_anew else found.former
            grants = list(_grants(place)) if is_anew else []
            if dropped:
                sql.execute_sql(f"DROP VIEW {', '.join(map(place.full_name, dropped))}")
            sql.execute_many([*made, *grants])

    def engine(self, location: Location) -> Engine:
        """An engine over psycopg2."""
        from sqlalchemy import NullPool, create_engine, event, make_url  # noqa: PLC0415 - loads do without

        url = make_url(location.credentials.to_native_representation())
        engine = create_engine(url.set(drivername="postgresql+psycopg2"), poolclass=NullPool)
        event.listen(engine, "connect", _end_queries_with_process)
        return engine

    def for_export(self, connection: Connection) -> Connection:
        """A transaction that cannot write, and JSON that psycopg2 leaves unparsed."""
        from psycopg2.extras import register_default_json, register_default_jsonb  # type: ignore[import-untyped]  # noqa: PLC0415 - an extra

        reading = connection.execution_options(postgresql_readonly=True)
        for register in (register_default_json, register_default_jsonb):
            register(reading.connection.driver_connection, loads=str)
        return reading

    def arrow_type(self, column: ColumnDescription) -> DataType:
        """The Arrow type by the type's OID."""
        if column.type_code == _NUMERIC:
            return decimal_type(column.precision, column.scale)
        return _ARROW_TYPES.get(column.type_code, pa.string())


def _end_queries_with_process(connection: Any, _record: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(END_WITH_CLIENT)
    connection.commit()


def _code(error: BaseException) -> str | None:
    """Postgres' code of an error."""
    return getattr(error.dbapi_exception, "pgcode", None) if isinstance(error, DatabaseException) else None


def _grants(place: ViewPlace) -> Iterator[str]:
    """The statements that grant again what others may do with our views."""
    declared = set(view_names())
    for name, privilege, role, option in place.sql.execute_sql(_GRANTS, place.views_dataset) or ():
        if name in declared:
            yield f"GRANT {privilege} ON {place.full_name(name)} TO {role}{option}"
