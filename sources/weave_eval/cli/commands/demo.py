"""`weave-eval demo`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from ..command import Command
from ..console import Console
from ..exit_codes import DONE
from ..options import add_destination, chosen_destination

_EXAMPLES = """\
  weave-eval demo
"""


def _add_options(parser: ArgumentParser) -> None:
    add_destination(parser, default="duckdb")


def _run(console: Console, options: Namespace) -> int:
    """Loads the recorded project and shows what is in the tables."""
    from ...demo.loading import load_recording
    from ...demo.story import QUERIES, answer, summary
    from ...warehouse.engine import reading
    from ...warehouse.profiles import DEFAULT_DATASET, DEFAULT_PROFILE

    profile = chosen_destination(options)
    result = load_recording(profile)
    console.text(f"Loaded {result.rows} rows of the recorded project {result.project} into {profile.name}.\n")
    with reading(profile) as connection:
        console.text(summary(connection, profile))
        if (profile.type, profile.dataset) == (DEFAULT_PROFILE, DEFAULT_DATASET):
            first, *others = QUERIES
            console.text(f"\n{first.title}\n\n{first.sql}\n\n{answer(connection, first)}")
            for query in others:
                console.text(f"\n{query.title}\n\n{query.sql}")
    return DONE


COMMAND = Command(
    "demo",
    "load a recorded project into a DuckDB file; no account needed",
    _EXAMPLES,
    _add_options,
    _run,
    leaves="rows",
)
