"""The demo: the recorded project, loaded like any other, and the first questions answered."""

from __future__ import annotations

import tempfile

from ..console import Console
from ..destinations import Profile
from ..load import LoadOptions, load_project, resolve_settings
from ..warehouse.engine import reading
from .api import DemoApi
from .story import summary


def show_demo(console: Console, profile: Profile) -> int:
    """Loads the recorded project into `profile` and prints what is in the tables; returns the exit code."""
    with DemoApi() as api, tempfile.TemporaryDirectory(prefix="weave_eval_demo_") as folder:
        settings = resolve_settings(project=api.project, api_key=api.key, base_url=api.url)
        result = load_project(settings, profile, LoadOptions(pipelines_dir=folder))
    console.text(f"Loaded {result.rows} rows of the recorded project {result.project} into {profile.name}.\n")
    with reading(profile) as connection:
        console.text(summary(connection))
    return 0
