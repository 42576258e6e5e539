"""What BigQuery does through its API: descriptions, lists of tables, and views that keep what was granted on them.

A view's mark is in its labels. All functions raise dlt's `DatabaseTerminalException` for what the API refuses.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dlt.destinations.exceptions import DatabaseTerminalException
from dlt.destinations.sql_client import SqlClientBase

from ..tables import TABLES, Table
from .views.catalogue import Catalogue, Mark
from .views.model import View
from .views.place import Definition, ViewPlace

if TYPE_CHECKING:
    from google.cloud.bigquery import Client, SchemaField

_DATASET_LABEL = "weave_eval_dataset"
_FINGERPRINT_LABEL = "weave_eval_fingerprint"


def update_descriptions(sql: SqlClientBase[Any]) -> int:
    """Gives the tables and columns the descriptions that they lack; returns how many. Costs a free request a table."""
    from google.api_core.exceptions import NotFound, PreconditionFailed  # noqa: PLC0415 - an extra

    written = 0
    for table in TABLES:
        with _api_errors():
            try:
                name = sql.make_qualified_table_name(table.name, quote=False)
                written += _describe(sql.native_connection, name, table)
            except (NotFound, PreconditionFailed):
                continue  # not made yet, or another load describes it at this moment
    return written


def list_views(place: ViewPlace) -> Catalogue:
    """The tables and views that are there: one free request a dataset."""
    found = place.empty_catalogue()
    for dataset in dict.fromkeys((place.dataset, place.views_dataset)):
        for item in _items(place.sql, dataset):
            if item.table_type == "VIEW" and dataset == place.views_dataset:
                found.marks[item.table_id] = _mark(item.labels)
            elif item.table_type == "TABLE" and dataset == place.dataset:
                found.tables.add(item.table_id)
    return found


def write_views(place: ViewPlace, found: Catalogue) -> None:
    """Makes all views or changes their queries, and drops those that are no longer declared."""
    place.make_dataset()
    api = place.sql.native_connection
    with _api_errors():
        for definition in place.definitions(found.wanted):
            _write_view(api, definition, found)
        for name in found.former:
            api.delete_table(place.full_name(name).replace("`", ""), not_found_ok=True)


@contextmanager
def _api_errors() -> Iterator[None]:
    from google.api_core.exceptions import GoogleAPICallError  # noqa: PLC0415 - an extra

    try:
        yield
    except GoogleAPICallError as error:
        raise DatabaseTerminalException(error) from error


def _items(sql: SqlClientBase[Any], dataset: str) -> Iterator[Any]:
    """The tables and views of a dataset; none if it is not there, for the first load makes it."""
    from google.api_core.exceptions import NotFound  # noqa: PLC0415 - an extra

    name = ".".join(sql.make_qualified_table_name_path(None, quote=False, dataset_name=dataset))
    with _api_errors():
        try:
            yield from sql.native_connection.list_tables(name)
        except NotFound:
            return


def _mark(labels: dict[str, str]) -> Mark | None:
    dataset = labels.get(_DATASET_LABEL)
    return Mark(dataset, labels.get(_FINGERPRINT_LABEL, "")) if dataset else None


def _write_view(api: Client, definition: Definition, found: Catalogue) -> None:
    """Makes a view or changes its query: what was granted on it stays. The whole mark comes last."""
    from google.cloud.bigquery import Table as BigQueryTable  # noqa: PLC0415 - an extra

    name, mark = definition.name.replace("`", ""), found.wanted
    table = BigQueryTable(name)
    table.view_query = definition.query
    table.labels = {_DATASET_LABEL: mark.dataset}
    if definition.view.name in found.marks:
        api.update_table(table, ["view_query", "labels"])
    else:
        api.create_table(table)
    _describe(api, name, definition.view)
    table.labels = {_DATASET_LABEL: mark.dataset, _FINGERPRINT_LABEL: mark.fingerprint}
    api.update_table(table, ["labels"])


def _describe(api: Client, name: str, table: Table | View) -> int:
    """Gives a table or view the descriptions that it lacks; returns how many."""
    found = api.get_table(name)
    fields = list(_described(found.schema, table))
    changed = [before for before, after in zip(found.schema, fields, strict=True) if before != after]
    written = len(changed) + int(found.description != table.description)
    if written:
        found.description, found.schema = table.description, fields
        api.update_table(found, ["description", "schema"])
    return written


def _described(fields: list[SchemaField], table: Table | View) -> Iterator[SchemaField]:
    descriptions = {column.name: column.description for column in table.columns}
    for field in fields:
        stored = field.to_api_repr()
        yield type(field).from_api_repr({**stored, "description": descriptions.get(field.name, field.description)})
