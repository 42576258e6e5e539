"""The recorded project, loaded like any other."""

from __future__ import annotations

import tempfile

from ..loading.load import LoadOptions, load_project
from ..loading.outcome import LoadResult
from ..settings import resolve_settings
from ..warehouse.profiles import Profile
from .api import DemoApi

_NEVER_ABANDONED_DAYS = 36_500.0


def load_recording(profile: Profile) -> LoadResult:
    """Loads the recorded project into `profile`. Its run that has not ended is never given up, however old it is."""
    with DemoApi() as api, tempfile.TemporaryDirectory(prefix="weave_eval_demo_") as folder:
        settings = resolve_settings(
            project=api.project,
            api_key=api.key,
            base_url=api.url,
            confirm_server=api.url,  # each time, its server has another port
            abandon_after_days=_NEVER_ABANDONED_DAYS,
        )
        return load_project(settings, profile, LoadOptions(pipelines_dir=folder))
