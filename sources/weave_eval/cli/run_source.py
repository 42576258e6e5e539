"""Where commands that judge runs read them: the chosen warehouse, or Weave itself."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .options import add_destination, chosen_destination

if TYPE_CHECKING:
    from ..judging.run_results import RunSource


def add_run_source(parser: ArgumentParser) -> None:
    """Adds the options that say where the runs are, and which `latest:` looks at."""
    add_destination(parser)
    parser.add_argument("--project", metavar="ENTITY/PROJECT", help="only runs of this project")
    parser.add_argument("--from-api", action="store_true", help="read the runs from Weave instead of a warehouse")
    parser.add_argument("--evaluation", metavar="NAME", help="the evaluation in which latest: looks for runs")


@contextmanager
def run_source(options: Namespace) -> Iterator[RunSource]:
    """The runs of `--project` in Weave with `--from-api`, otherwise those in the warehouse."""
    from ..loading.context import connect
    from ..reading.judged_runs import ApiRuns
    from ..settings import resolve_settings
    from ..warehouse.judged_runs import judged_runs

    if options.from_api:
        settings = resolve_settings(project=options.project)
        with connect(settings) as client:
            yield ApiRuns(settings, client)
        return
    with judged_runs(chosen_destination(options), options.project) as runs:
        yield runs
