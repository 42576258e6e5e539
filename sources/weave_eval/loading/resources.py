"""The resources of the dlt source, and of the records that are written beside it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import dlt
from dlt.extract import DltResource
from dlt.extract.source import DltSource

from ..schema import CONTRACT, SCHEMA_NAME, SCOPE, dlt_columns, dlt_schema, write_disposition
from ..tables import RECORD_TABLES, TABLES, Table
from ..warehouse.registry import warehouse_behind
from .package_files import Package, TableItem
from .saved_state import SavedState

FILES_FOLDER = "weave_eval_files"
"""Where files are made for dlt, in the working folder of a pipeline."""


ReadPackage = Callable[[SavedState, Package], Iterator[TableItem]]
"""Reads what goes into a package, and updates the saved state at the end."""


def evaluation_resources(read: ReadPackage, *, with_predictions: bool, scope: str = SCOPE) -> list[DltResource]:
    """The resources, one a table, that share what is read; `scope` as in `write_disposition`."""

    @dlt.resource(name="readings", selected=False)
    def readings() -> Iterator[TableItem]:
        tables = dlt.current.source().resources.selected.keys()
        yield from read(dlt.current.source_state(), current_package(tables))

    tables = [table for table in TABLES if table.name not in RECORD_TABLES]
    resources = [table_resource(table, readings, scope) for table in tables]
    for resource in resources:
        resource.selected = resource.name != "predictions" or with_predictions
    return resources


def source_of(resources: list[DltResource]) -> DltSource:
    """The resources as a source to run, which makes no table or column that is not declared."""
    source = DltSource.from_data(dlt_schema(), SCHEMA_NAME, resources)
    source.schema_contract = CONTRACT
    source.max_table_nesting = 0
    return source


def current_package(tables: Collection[str]) -> Package:
    """The package that the running pipeline extracts, with `tables`."""
    load_id = dlt.current.load_package_state()["load_id"]
    pipeline = dlt.current.pipeline()
    destination = pipeline.destination
    form = warehouse_behind(destination.destination_type).form
    strategies = destination.capabilities().supported_merge_strategies or ()
    can_replace, folder = "delete-insert" in strategies, Path(pipeline.working_dir) / FILES_FOLDER
    return Package(load_id, frozenset(tables), form, can_replace, folder)


def table_resource(table: Table, items: DltResource, scope: str = SCOPE) -> DltResource:
    """A resource that picks a table's items from those that `items` yields."""

    def pick(item: TableItem) -> Iterator[Any]:
        if item.table == table.name:
            yield item.item

    resource = dlt.transformer(pick, data_from=items, name=table.name)
    resource.apply_hints(write_disposition=write_disposition(table, scope), columns=dlt_columns(table))
    return resource
