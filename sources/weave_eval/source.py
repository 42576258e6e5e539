"""The dlt source and its resources."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, List, Optional

import dlt
from dlt.common.typing import TSecretStrValue
from dlt.extract import DltResource

from .extraction import Extraction
from .package_files import Package, TableItem, form_for
from .schema import CONTRACT, dlt_schema, write_disposition
from .settings import Settings
from .tables import TABLES, Table

_SCHEMA = dlt_schema()

_FILES = "weave_eval_files"

RECORDS = frozenset({"reconciliations", "syncs", "gate_decisions"})
"""Tables about loads and decisions, which `load_project` and `weave-eval gate` write."""


@dlt.source(schema=_SCHEMA, schema_contract=CONTRACT, section="weave_eval", spec=Settings, max_table_nesting=0)
def weave_eval(
    project: str = dlt.config.value,
    api_key: Optional[TSecretStrValue] = None,
    base_url: Optional[str] = None,
    *,
    since: Optional[str] = None,
    until: Optional[str] = None,
    run_ids: Optional[List[str]] = None,
    evaluations: Optional[List[str]] = None,
    models: Optional[List[str]] = None,
    settings: Settings = None,  # type: ignore[assignment]
) -> List[DltResource]:
    """The evaluations of a Weave project.

    The first load reads every run; later ones read the runs that are new, still growing or changed. Select tables
    with `with_resources`; every answer of the API is fetched and parsed once, whatever is selected.

    Args:
        project: The Weave project, as entity/project.
        api_key: W&B API key. Without it: WANDB_API_KEY, then the netrc file.
        base_url: Base URL of Weave's API. Without it, found as W&B's own tools find it.
        since: Read the runs that started at or after this time (ISO 8601); the cursor stays where it is.
        until: Read the runs that started before this time (ISO 8601); the cursor stays where it is.
        run_ids: Read just these runs; the cursor stays where it is.
        evaluations: Read only runs of these evaluations, each a name or a whole ref.
        models: Read only runs of these models, each a name or a whole ref.
        settings: All other knobs; see `Settings`.
    """
    return evaluation_resources(Extraction(settings))


def evaluation_resources(extraction: Extraction, *, is_indexed: bool = False) -> List[DltResource]:
    """The resources, one a table, that share what `extraction` reads; `is_indexed` as in `write_disposition`.

    Predictions are selected where the settings ask for them.
    """

    @dlt.resource(name="readings", selected=False)
    def readings() -> Iterator[TableItem]:
        tables = dlt.current.source().resources.selected.keys()
        yield from extraction.items(dlt.current.source_state(), current_package(tables))

    tables = [table for table in TABLES if table.name not in RECORDS]
    resources = [table_resource(table, readings, is_indexed=is_indexed) for table in tables]
    for resource in resources:
        resource.selected = resource.name != "predictions" or extraction.has_predictions
    return resources


def current_package(tables: Collection[str]) -> Package:
    """The package that the running pipeline extracts, with `tables`."""
    load_id = dlt.current.load_package_state()["load_id"]
    pipeline = dlt.current.pipeline()
    destination = pipeline.destination
    kind = destination.destination_type.rsplit(".", 1)[-1]
    strategies = destination.capabilities().supported_merge_strategies or ()
    can_replace, folder = "delete-insert" in strategies, Path(pipeline.working_dir) / _FILES
    return Package(load_id, frozenset(tables), form_for(kind), can_replace, folder)


def table_resource(table: Table, items: DltResource, *, is_indexed: bool = False) -> DltResource:
    """A resource that picks a table's items from those that `items` yields."""

    def pick(item: TableItem) -> Iterator[Any]:
        if item.table == table.name:
            yield item.item

    resource = dlt.transformer(pick, data_from=items, name=table.name)
    disposition = write_disposition(table, is_indexed=is_indexed)
    resource.apply_hints(write_disposition=disposition, columns=_SCHEMA.tables[table.name]["columns"])
    return resource
