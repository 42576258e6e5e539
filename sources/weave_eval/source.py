"""The dlt source."""

from __future__ import annotations

from collections.abc import Iterator
from typing import List, Optional

import dlt
from dlt.common.typing import TSecretStrValue
from dlt.extract import DltResource

from .loading.context import LoadContext, connect
from .loading.extraction import Extraction
from .loading.package_files import Package, TableItem
from .loading.resources import evaluation_resources
from .loading.saved_state import SavedState
from .schema import CONTRACT, dlt_schema
from .settings import Settings


@dlt.source(schema=dlt_schema(), schema_contract=CONTRACT, section="weave_eval", spec=Settings, max_table_nesting=0)
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
    client = connect(settings)
    extraction = Extraction(LoadContext(settings, client))

    def read(saved: SavedState, package: Package) -> Iterator[TableItem]:
        with client:
            yield from extraction.items(saved, package)

    return evaluation_resources(read, with_predictions=settings.with_predictions)
