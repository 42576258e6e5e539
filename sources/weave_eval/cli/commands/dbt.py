"""`weave-eval dbt`."""

from __future__ import annotations

from argparse import Namespace

from ..command import Command
from ..console import Console
from ..folder import add_folder, write_folder
from ..options import chosen_destination

_EXAMPLES = """\
  weave-eval dbt --out models/staging/ --destination snowflake
"""


def _run(console: Console, options: Namespace) -> int:
    """Writes `sources.yml` for the tables and views of a destination."""
    from ...catalogue.dbt import dbt_sources

    return write_folder(console, options.out, {"sources.yml": dbt_sources(chosen_destination(options))})


COMMAND = Command("dbt", "describe the tables and views as dbt sources, with tests", _EXAMPLES, add_folder, _run)
