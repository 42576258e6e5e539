"""The dlt source and its resources."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, List, Optional

import dlt
from dlt.common.typing import TSecretStrValue
from dlt.extract import DltResource

from .extraction import Extraction
from .package_files import TableItem, form_for
from .schema import CONTRACT, dlt_schema, write_disposition
from .settings import Settings
from .tables import TABLES

_SCHEMA = dlt_schema()


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


def evaluation_resources(extraction: Extraction) -> List[DltResource]:
    """The resources, one a table, that share what `extraction` reads."""

    @dlt.resource(name="readings", selected=False)
    def readings() -> Iterator[TableItem]:
        tables = dlt.current.source().resources.selected.keys()
        destination = dlt.current.pipeline().destination
        form = form_for(destination.destination_type.rsplit(".", 1)[-1] if destination else None)
        load_id = dlt.current.load_package_state()["load_id"]
        state = dlt.current.source_state().setdefault("projects", {})
        yield from extraction.items(state, tables, form, load_id)

    return [_table_resource(table.name, readings) for table in TABLES]


def _table_resource(name: str, readings: DltResource) -> DltResource:
    table = next(table for table in TABLES if table.name == name)

    def pick(item: TableItem) -> Iterator[Any]:
        if item.table == name:
            yield item.item

    resource = dlt.transformer(pick, data_from=readings, name=name)
    resource.apply_hints(write_disposition=write_disposition(table), columns=_SCHEMA.tables[name]["columns"])
    return resource
