"""The views, made in a warehouse, so that readers never miss one and keep what was granted to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dlt.destinations.exceptions import DatabaseException, DatabaseTerminalException
from dlt.destinations.job_client_impl import SqlJobClientBase
from dlt.destinations.sql_client import SqlClientBase
from tenacity import retry, retry_if_exception, stop_after_attempt, wait_random

from ...errors import DestinationError
from ...tables import TABLES
from ..comments import LITERALS, describe
from ..profiles import Profile
from .catalogue import DATASET_LABEL, FINGERPRINT_LABEL, Catalogue, catalogue
from .model import View, view_names, views

if TYPE_CHECKING:
    from google.cloud.bigquery import Client

_ATTEMPTS = 5
_MADE_AT_ONCE = {"23505", "40P01", "42710", "42P06", "42P07", "55P03", "XX000"}
"""Postgres' codes for what another load makes or has locked at this moment; it has no code for a concurrent update."""
_CANNOT_REPLACE = "42P16"
"""Postgres' code for a view that loses or changes columns: it has to be dropped."""

_GRANTS = """
SELECT c.relname, a.privilege_type, CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(r.rolname) END,
  CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace CROSS JOIN aclexplode(c.relacl) a
LEFT JOIN pg_roles r ON r.oid = a.grantee
WHERE n.nspname = %s AND c.relkind = 'v' AND a.grantee <> c.relowner"""


@dataclass(frozen=True)
class Definition:
    """A view as a warehouse is to have it: its name in full, and its query."""

    view: View
    name: str
    query: str


def _code(error: BaseException) -> str | None:
    """Postgres' code of an error."""
    return getattr(error.dbapi_exception, "pgcode", None) if isinstance(error, DatabaseException) else None


@retry(
    retry=retry_if_exception(lambda error: _code(error) in _MADE_AT_ONCE),
    stop=stop_after_attempt(_ATTEMPTS),
    wait=wait_random(0.2, 1.0),
    reraise=True,
)
def make_views(client: SqlJobClientBase, profile: Profile) -> int:
    """Makes the tables and columns that are not there yet, and the views unless they are as declared; returns how many.

    Tries again where another load makes the same things in Postgres. Raises dlt's `DatabaseException`, or
    `DestinationError` where a view that was not made here has the name of one of ours.
    """
    found = catalogue(client.sql_client, profile)
    _make_tables(client, profile, found)
    if found.is_up_to_date:
        return 0
    if found.foreign:
        raise DestinationError(
            f"{profile.dataset_of_views} has views called {', '.join(found.foreign)} that show something else. Name "
            "another dataset for the views in the profile (views_dataset), or switch them off (views = false)."
        )
    _WRITERS[profile.type](client.sql_client, profile, found)
    return len(views())


def _make_tables(client: SqlJobClientBase, profile: Profile, found: Catalogue) -> None:
    """Makes the tables and columns that no row has come for: the views read them."""
    names = [table.name for table in TABLES if table.name in client.schema.tables]
    if found.is_up_to_date and found.tables.issuperset(names):
        return
    with _impatient(client.sql_client, profile):
        client.update_stored_schema(only_tables=names, force=True)


@contextmanager
def _impatient(sql: SqlClientBase[Any], profile: Profile) -> Iterator[None]:
    """Gives up soon on what others have locked in Postgres, before a deadlock would be found: nobody's query is ended.

    After an error, dlt has reset the connection.
    """
    if profile.type == "postgres":
        sql.execute_sql("SET lock_timeout = '500ms'")
    yield
    if profile.type == "postgres":
        sql.execute_sql("RESET lock_timeout")


def definitions(sql: SqlClientBase[Any], profile: Profile, mark: str = "") -> Iterator[Definition]:
    """The views as the profile's warehouse is to have them, each after those that it reads."""
    ours = set(view_names())
    # A name without its catalogue stays right in a copy of the database; BigQuery takes the reader's project for it.
    length = 3 if profile.type == "bigquery" else 2

    def full_name(name: str) -> str:
        dataset = profile.dataset_of_views if name in ours else profile.dataset
        return ".".join(sql.make_qualified_table_name_path(name, dataset_name=dataset)[-length:])

    for view in views():
        yield Definition(view, full_name(view.name), view.query(profile.type, full_name, mark))


def _make_dataset(sql: SqlClientBase[Any], profile: Profile) -> None:
    if profile.dataset_of_views != profile.dataset:
        with sql.with_alternative_dataset_name(profile.dataset_of_views):
            if not sql.has_dataset():
                sql.create_dataset()


def _full_name(sql: SqlClientBase[Any], profile: Profile, name: str) -> str:
    return ".".join(sql.make_qualified_table_name_path(name, dataset_name=profile.dataset_of_views))


def _create(sql: SqlClientBase[Any], warehouse: str, definition: Definition) -> Iterator[str]:
    """The statements that make a view with its comments."""
    view, name = definition.view, definition.name
    literal = LITERALS[warehouse]
    yield f"CREATE OR REPLACE VIEW {name} AS {definition.query}"
    yield f"COMMENT ON VIEW {name} IS {literal(view.description)}"
    for column in view.columns:
        yield f"COMMENT ON COLUMN {name}.{sql.escape_column_name(column.name)} IS {literal(column.description)}"


def _write_duckdb(sql: SqlClientBase[Any], profile: Profile, found: Catalogue) -> None:
    with sql.begin_transaction():
        _make_dataset(sql, profile)
        for name in found.former:
            sql.execute_sql(f"DROP VIEW {_full_name(sql, profile, name)}")
        made = [s for d in definitions(sql, profile, str(found.wanted)) for s in _create(sql, "duckdb", d)]
        sql.execute_many(made)


def _write_postgres(sql: SqlClientBase[Any], profile: Profile, found: Catalogue) -> None:
    """Replaces the views where their columns allow it, else makes them anew with the same grants."""
    made = [s for d in definitions(sql, profile, str(found.wanted)) for s in _create(sql, "postgres", d)]
    try:
        _write_in_transaction(sql, profile, made, is_anew=False)
    except DatabaseTerminalException as error:
        if _code(error) != _CANNOT_REPLACE:
            raise
        _write_in_transaction(sql, profile, made, is_anew=True)


def _write_in_transaction(sql: SqlClientBase[Any], profile: Profile, made: list[str], *, is_anew: bool) -> None:
    dataset = profile.dataset_of_views
    with _impatient(sql, profile), sql.begin_transaction():
        sql.execute_sql("SELECT pg_advisory_xact_lock(hashtext(%s))", f"weave_eval views of {dataset}")
        found = catalogue(sql, profile)
        if found.is_up_to_date:
            return  # another load was faster
        _make_dataset(sql, profile)
        dropped = found.ours if is_anew else found.former
        grants = list(_grants(sql, profile)) if is_anew else []
        if dropped:
            sql.execute_sql(f"DROP VIEW {', '.join(_full_name(sql, profile, name) for name in dropped)}")
        sql.execute_many([*made, *grants])


def _grants(sql: SqlClientBase[Any], profile: Profile) -> Iterator[str]:
    """The statements that grant again what others may do with our views."""
    declared = set(view_names())
    for name, privilege, role, option in sql.execute_sql(_GRANTS, profile.dataset_of_views) or ():
        if name in declared:
            yield f"GRANT {privilege} ON {_full_name(sql, profile, name)} TO {role}{option}"


def _write_snowflake(sql: SqlClientBase[Any], profile: Profile, found: Catalogue) -> None:
    _make_dataset(sql, profile)
    for definition in definitions(sql, profile, str(found.wanted)):
        sql.execute_sql(_snowflake_statement(sql, definition))
    for name in found.former:
        sql.execute_sql(f"DROP VIEW IF EXISTS {_full_name(sql, profile, name)}")


def _snowflake_statement(sql: SqlClientBase[Any], definition: Definition) -> str:
    literal = LITERALS["snowflake"]
    columns = ", ".join(
        f"{sql.escape_column_name(column.name)} COMMENT {literal(column.description)}"
        for column in definition.view.columns
    )
    comment = literal(definition.view.description)
    return f"CREATE OR REPLACE VIEW {definition.name} ({columns}) COPY GRANTS COMMENT = {comment} AS {definition.query}"


def _write_bigquery(sql: SqlClientBase[Any], profile: Profile, found: Catalogue) -> None:
    from google.api_core.exceptions import GoogleAPICallError  # noqa: PLC0415 - an extra

    _make_dataset(sql, profile)
    api = sql.native_connection
    try:
        for definition in definitions(sql, profile):
            _write_bigquery_view(api, definition, found)
        for name in found.former:
            api.delete_table(_full_name(sql, profile, name).replace("`", ""), not_found_ok=True)
    except GoogleAPICallError as error:
        raise DatabaseTerminalException(error) from error


def _write_bigquery_view(api: Client, definition: Definition, found: Catalogue) -> None:
    """Makes a view or changes its query, through the API: what was granted on it stays. The mark comes last."""
    from google.cloud.bigquery import Table  # noqa: PLC0415 - an extra

    name, mark = definition.name.replace("`", ""), found.wanted
    table = Table(name)
    table.view_query = definition.query
    table.labels = {DATASET_LABEL: mark.dataset}
    if definition.view.name in found.marks:
        api.update_table(table, ["view_query", "labels"])
    else:
        api.create_table(table)
    describe(api, name, definition.view)
    table.labels = {DATASET_LABEL: mark.dataset, FINGERPRINT_LABEL: mark.fingerprint}
    api.update_table(table, ["labels"])


_WRITERS: dict[str, Callable[[SqlClientBase[Any], Profile, Catalogue], None]] = {
    "duckdb": _write_duckdb,
    "postgres": _write_postgres,
    "bigquery": _write_bigquery,
    "snowflake": _write_snowflake,
}
