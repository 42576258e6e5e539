"""Where commands that judge runs read them from: the warehouse that was named, or Weave itself."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager

from ...judging.run_results import RunSource
from ...loading.extraction import connect
from ...loading.load import resolve_settings
from ...reading.judged_runs import ApiRuns
from ...warehouse.judged_runs import judged_runs
from ...warehouse.profiles import Profile, profile


@contextmanager
def run_source(options: argparse.Namespace) -> Iterator[RunSource]:
    """The runs of `--project` in Weave if `--from-api` was given, else those in the warehouse."""
    if options.from_api:
        settings = resolve_settings(project=options.project)
        with connect(settings) as client:
            yield ApiRuns(settings, client)
        return
    with judged_runs(named_destination(options), options.project) as runs:
        yield runs


def named_destination(options: argparse.Namespace) -> Profile:
    """The destination that was named, or the default one."""
    return profile(options.destination, dataset=options.dataset)
