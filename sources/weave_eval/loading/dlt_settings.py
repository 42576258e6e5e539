"""Settings of dlt's that users may have for their other pipelines, and with which loads would not do what they say.

All others are honoured: they decide how dlt works, and not where rows go or what is in them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dlt
from dlt.common.configuration.container import Container
from dlt.common.configuration.resolve import resolve_configuration
from dlt.common.configuration.specs import BaseConfiguration
from dlt.common.configuration.specs.config_section_context import ConfigSectionContext
from dlt.load.configuration import LoaderConfiguration
from dlt.normalize.configuration import ItemsNormalizerConfiguration

from ..errors import SettingsError

_OF_PIPELINES = {
    "dataset_name_layout": None,
    "use_single_dataset": True,
    "dev_mode": False,
    "full_refresh": None,
    "refresh": None,
    "import_schema_path": None,
    "staging_type": None,
    "staging_name": None,
}
_OF_STEPS: tuple[tuple[type[BaseConfiguration], tuple[str, ...], dict[str, Any]], ...] = (
    (LoaderConfiguration, ("load",), {"raise_on_failed_jobs": True, "pool_type": "thread"}),
    (
        ItemsNormalizerConfiguration,
        ("normalize", "parquet_normalizer"),
        {"add_dlt_id": False, "add_dlt_load_id": False},
    ),
)


def require_honoured(pipeline: dlt.Pipeline) -> None:
    """Raises `SettingsError` if a setting of dlt's has a value with which a load would go wrong."""
    wrong = [*_of_the_pipeline(pipeline), *_of_steps(pipeline)]
    if wrong:
        raise SettingsError(
            f"dlt's setting {', '.join(wrong)} has a value that loads of weave_eval cannot work with. Unset it, or set "
            "it for your other pipelines alone; dlt reads it from the environment, its config files, or "
            "destinations.toml."
        )


def _of_the_pipeline(pipeline: dlt.Pipeline) -> Iterator[str]:
    yield from (name for name, needed in _OF_PIPELINES.items() if getattr(pipeline.config, name) != needed)


def _of_steps(pipeline: dlt.Pipeline) -> Iterator[str]:
    context = ConfigSectionContext(pipeline_name=pipeline.pipeline_name)
    with Container().injectable_context(context):
        for spec, sections, needed in _OF_STEPS:
            found = resolve_configuration(spec(), sections=sections, accept_partial=True)
            yield from (".".join((*sections, name)) for name in needed if getattr(found, name) != needed[name])
