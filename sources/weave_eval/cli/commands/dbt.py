"""`weave-eval dbt`."""

from __future__ import annotations

import argparse

from ...catalogue.dbt import dbt_sources
from ...warehouse.profiles import profile
from .folder import write_folder


def run(options: argparse.Namespace) -> int:
    """Writes `sources.yml` for the tables and views of a destination."""

    def files() -> dict[str, str]:
        return {"sources.yml": dbt_sources(profile(options.destination, dataset=options.dataset))}

    return write_folder(options.out, files)
