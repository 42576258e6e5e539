"""Every setting of the source, with its default and meaning.

dlt fills them from arguments, environment variables (`SOURCES__WEAVE_EVAL__PAGE_ROWS`), `.dlt/config.toml` and
`.dlt/secrets.toml` (`[sources.weave_eval]`), in this order.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import Any, List, Optional

import dlt
from dlt.common.configuration import configspec
from dlt.common.configuration.const import TYPE_EXAMPLES
from dlt.common.configuration.exceptions import ConfigFieldMissingException, ConfigurationException
from dlt.common.configuration.providers import EnvironProvider
from dlt.common.configuration.resolve import resolve_configuration
from dlt.common.configuration.specs import BaseConfiguration
from dlt.common.typing import TSecretStrValue

from .api.retries import Patience
from .errors import SettingsError
from .state.decisions import Windows
from .times import parse_time
from .weave.run_filter import RunFilter


@configspec
class Settings(BaseConfiguration):
    """Settings of the source. Times are ISO 8601, UTC unless they name an offset."""

    project: str = None  # type: ignore[assignment]
    """The Weave project to read, as entity/project."""

    projects: Optional[List[str]] = None
    """The projects that the command line loads if none is named, each as entity/project."""

    default_destination: Optional[str] = None
    """The profile of destinations.toml that the command line uses if none is named. Without it: duckdb."""

    api_key: Optional[TSecretStrValue] = None
    """W&B API key. Without it: WANDB_API_KEY, then the netrc file, as W&B's own tools do."""

    base_url: Optional[str] = None
    """Base URL of Weave's API. Without it: WF_TRACE_SERVER_URL, then WANDB_BASE_URL, then https://trace.wandb.ai."""

    since: Optional[str] = None
    """Read the runs that started at or after this time, whatever was read before; the cursor stays where it is."""

    until: Optional[str] = None
    """Read the runs that started before this time, whatever was read before; the cursor stays where it is."""

    run_ids: Optional[List[str]] = None
    """Read just these runs, whatever was read before; the cursor stays where it is."""

    evaluations: Optional[List[str]] = None
    """Read only runs of these evaluations, each a name or a whole ref. Has a cursor of its own."""

    models: Optional[List[str]] = None
    """Read only runs of these models, each a name or a whole ref. Has a cursor of its own."""

    lookback_days: float = 14.0
    """How many days before the latest run's start finished runs are still watched for changes."""

    abandon_after_days: float = 7.0
    """After how many days a run that never ended is read one last time and marked abandoned."""

    only_v2_runs: bool = False
    """Whether to list runs with GET evaluation_runs, which returns only those made through the v2 API."""

    evaluate_ops: Optional[List[str]] = None
    """Names of all ops whose calls are evaluation runs, if a class of yours overrides Evaluation.evaluate."""

    page_rows: int = 500
    """Result rows requested at once; fewer where rows are large or the server is slow."""

    max_page_bytes: int = 16_000_000
    """Size, in bytes, above which a page of results is abandoned and requested again as smaller pages."""

    parallelism: int = 16
    """Most requests in flight at once; fewer while responses arrive faster than they can be processed."""

    requests_per_second: float = 100.0
    """Most requests started per second; lowered while the API answers 429."""

    read_timeout_seconds: float = 120.0
    """How long to wait for the next bytes of a response."""

    retry_budget_seconds: float = 300.0
    """How long a request that fails is retried, with the pauses that the API asks for; no answer may take longer."""

    deleted_runs: str = "mark"
    """What happens to a run that was deleted in Weave: `mark` sets its deleted_at, `remove` removes its rows too."""

    confirm_deletions: int = 0
    """How many runs a project may have lost at once, however unlikely that is; see the guarantees."""

    confirm_server: Optional[str] = None
    """Base URL of the server that a project is loaded from now on, although it was loaded from another one."""

    with_costs: bool = True
    """Whether to request costs, where the server has them."""

    with_predictions: bool = False
    """Whether to load the predictions table, at one more request for each run made through the v2 API."""

    privacy: Optional[List[str]] = None
    """Rules for what must not leave Weave as it is, such as `drop trials.output`; see the privacy module."""

    privacy_key: Optional[TSecretStrValue] = None
    """Secret key of the hashes that privacy rules make."""

    heartbeat_hours: float = 6.0
    """How often, in hours, a load that finds nothing new still leaves a row in syncs; 0 for always."""

    package_runs: int = 50
    """Most runs loaded and committed together; a load that is killed loses at most this much work."""

    package_bytes: int = 250_000_000
    """Size in memory, in bytes, from which no further run joins those loaded and committed together."""

    def on_resolved(self) -> None:
        """Checks what types cannot express, and that no unknown setting is set. Raises `SettingsError`."""
        if unknown := _unknown_settings(self.get_resolvable_fields()):
            raise SettingsError(" ".join(unknown))
        check_project(self.project)
        for name in ("api_key", "privacy_key"):
            if getattr(self, name) == _NOT_FILLED_IN:
                setattr(self, name, None)
        for name in _POSITIVE:
            if getattr(self, name) <= 0:
                raise SettingsError(f"{name} is {getattr(self, name)}; it must be greater than 0.")
        for name in ("lookback_days", "abandon_after_days", "retry_budget_seconds", "heartbeat_hours"):
            if not 0 <= getattr(self, name) <= _LONGEST:
                raise SettingsError(f"{name} is {getattr(self, name)}; it must be between 0 and {_LONGEST}.")
        if self.deleted_runs not in ("mark", "remove"):
            raise SettingsError(f"deleted_runs is {self.deleted_runs!r}; it must be mark or remove.")
        self.run_filter()

    def run_filter(self) -> RunFilter:
        """The runs that are wanted. Raises `SettingsError` for a text that is not a time."""
        return RunFilter(
            since=time_of("since", self.since),
            until=time_of("until", self.until),
            run_ids=tuple(self.run_ids or ()),
            evaluations=tuple(self.evaluations or ()),
            models=tuple(self.models or ()),
        )

    def windows(self) -> Windows:
        """How far back to look."""
        return Windows(timedelta(days=self.lookback_days), timedelta(days=self.abandon_after_days))

    def patience(self) -> Patience:
        """How long to wait and how often to try again."""
        read_timeout, budget = self.read_timeout_seconds, self.retry_budget_seconds
        return Patience(read_timeout=read_timeout, response_timeout=max(read_timeout, budget), retry_budget=budget)


_NOT_FILLED_IN = TYPE_EXAMPLES["text"]
"""What `dlt init` writes for a secret that the user has to fill in."""

_POSITIVE = (
    "page_rows", "max_page_bytes", "parallelism", "requests_per_second", "read_timeout_seconds", "package_runs",
    "package_bytes",
)  # fmt: skip
_LONGEST = 1_000_000

_SECTIONS = ("sources", "weave_eval")
"""Where dlt looks up the settings of the source."""

_PREFIX = "__".join((*_SECTIONS, "")).upper()


def resolve_settings(**given: Any) -> Settings:
    """The settings of the source, as dlt finds them, with those given on top. Raises `SettingsError`."""
    explicit = {name: value for name, value in given.items() if value not in (None, [], ())}
    try:
        return resolve_configuration(Settings(), sections=_SECTIONS, explicit_value=explicit)
    except ConfigFieldMissingException:
        raise SettingsError(
            "No project was named. Use --project ENTITY/PROJECT, or set SOURCES__WEAVE_EVAL__PROJECT."
        ) from None
    except ConfigurationException as error:
        raise SettingsError(f"The settings cannot be used: {error}") from None


def configured_projects() -> list[str]:
    """The projects that `projects` names in the configuration of the source, if it does."""
    found: Any = dlt.config.get("sources.weave_eval.projects")
    if isinstance(found, str):
        found = [name.strip() for name in found.strip("[] ").split(",")]
    return [str(name).strip("'\" ") for name in found or ()]


def check_project(project: Any) -> str:
    """`project` if it is an entity and a name. Raises `SettingsError`."""
    entity, slash, name = str(project or "").partition("/")
    if name == "*":
        raise SettingsError(f"{project}: Weave's API does not list the projects of an entity; name each project.")
    is_text = str(project).encode(errors="replace").decode() == str(project)  # bytes of a shell may be none
    if not (entity.strip() and slash and name.strip() and is_text) or "/" in name:
        raise SettingsError(f"The project is {project!r}; name it as ENTITY/PROJECT, as in its URL on W&B.")
    return str(project)


def time_of(name: str, value: str | datetime | None) -> datetime | None:
    """The moment that a text names, None if it is empty. Raises `SettingsError`, which calls it `name`."""
    if not value:
        return None
    try:
        text = value.isoformat() if isinstance(value, datetime) else str(value).strip()
        return parse_time(text if len(text) > len("2026-01-01") else f"{text}T00:00:00")
    except ValueError:
        example = "2026-11-01 or 2026-11-01T08:30:00Z"
        raise SettingsError(f"{name} is {value!r}, which is not a time. Write it like {example}.") from None


def _unknown_settings(known: Collection[str]) -> list[str]:
    """A sentence for each setting of the source in the environment and in dlt's files that is not one of `known`.

    Tables, such as `[sources.weave_eval.extract]`, are dlt's.
    """
    return [_unknown(place, name, known) for place, name in _set_names() if name not in known]


def _set_names() -> Iterator[tuple[str, str]]:
    """What is set in the section of the source: where, and its name."""
    for variable in sorted(os.environ):
        name = variable.removeprefix(_PREFIX)
        if name != variable and "__" not in name:
            yield variable, name.lower()
    for provider in dlt.config.config_providers:
        if not isinstance(provider, EnvironProvider):
            found, _ = provider.get_value(_SECTIONS[-1], dict, "", *_SECTIONS[:-1])
            for name, value in (found or {}).items():
                if not isinstance(value, dict):
                    yield f"{name} in [{'.'.join(_SECTIONS)}] of {provider.name}", name


def _unknown(place: str, name: str, known: Collection[str]) -> str:
    close = get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]}?" if close else "see docs/settings.md for those there are."
    return f"{place} is not a setting; {hint}"
