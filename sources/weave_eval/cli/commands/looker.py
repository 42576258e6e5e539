"""`weave-eval looker`."""

from __future__ import annotations

import argparse

from ...catalogue.looker.project import lookml_project
from ...warehouse.profiles import profile
from .folder import write_folder


def run(options: argparse.Namespace) -> int:
    """Writes a LookML project for the tables and views of a destination."""

    def files() -> dict[str, str]:
        return lookml_project(options.connection, profile(options.destination, dataset=options.dataset))

    return write_folder(options.out, files)
