"""The demo: the recorded project, loaded like any other, and the first questions answered."""

from __future__ import annotations

import tempfile

from ..cli.console import Console
from ..loading.load import LoadOptions, load_project
from ..settings import resolve_settings
from ..warehouse.engine import reading
from ..warehouse.profiles import DEFAULT_DATASET, DEFAULT_PROFILE, Profile
from .api import DemoApi
from .story import QUERIES, answer, summary

_FOR_EVER_DAYS = 36_500.0


def show_demo(console: Console, profile: Profile) -> int:
    """Loads the recorded project into `profile` and prints what is in the tables; returns the exit code."""
    with DemoApi() as api, tempfile.TemporaryDirectory(prefix="weave_eval_demo_") as folder:
        settings = resolve_settings(
            project=api.project, api_key=api.key, base_url=api.url, abandon_after_days=_FOR_EVER_DAYS
        )
        result = load_project(settings, profile, LoadOptions(pipelines_dir=folder))
    console.text(f"Loaded {result.rows} rows of the recorded project {result.project} into {profile.name}.\n")
    with reading(profile) as connection:
        console.text(summary(connection, profile))
        if (profile.type, profile.dataset) == (DEFAULT_PROFILE, DEFAULT_DATASET):
            first, *others = QUERIES
            console.text(f"\n{first.title}\n\n{first.sql}\n\n{answer(connection, first)}")
            for query in others:
                console.text(f"\n{query.title}\n\n{query.sql}")
    return 0
