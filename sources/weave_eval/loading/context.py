"""What the steps of a load share: the settings, the way to Weave, and what the warehouse holds already."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Protocol

from ..api.client import WeaveClient
from ..api.credentials import api_key, trace_base_url
from ..api.limiter import RateLimiter
from ..reading.discovery import EVALUATE_OPS
from ..rows.columns import TableRow
from ..settings import Settings
from ..warehouse.profiles import Profile
from ..warehouse.stored import live_run_ids, resolved_inputs, run_rows, stored_run_ids
from ..weave.run_filter import RunFilter


class Stored(Protocol):
    """What a warehouse holds of a project."""

    def run_ids(self) -> set[str]:
        """Ids of the project's runs."""

    def live_run_ids(self) -> set[str]:
        """Ids of those that are not marked as deleted."""

    def run_rows(self, run_ids: Collection[str]) -> list[TableRow]:
        """The rows of these runs in `evaluation_runs`."""

    def resolved_inputs(self, digests: Collection[str]) -> set[str]:
        """Those of the digests whose inputs are there, not only their refs."""


class NothingStored:
    """A warehouse that cannot be asked; it counts as empty."""

    def run_ids(self) -> set[str]:
        """None."""
        return set()

    def live_run_ids(self) -> set[str]:
        """None."""
        return set()

    def run_rows(self, run_ids: Collection[str]) -> list[TableRow]:  # noqa: ARG002 - as `Stored` has it
        """None."""
        return []

    def resolved_inputs(self, digests: Collection[str]) -> set[str]:  # noqa: ARG002 - as `Stored` has it
        """None."""
        return set()


@dataclass(frozen=True)
class WarehouseStored:
    """What a profile's warehouse holds of a project, asked for anew each time."""

    profile: Profile
    project: str

    def run_ids(self) -> set[str]:
        """Ids of the project's runs."""
        return stored_run_ids(self.profile, self.project)

    def live_run_ids(self) -> set[str]:
        """Ids of those that are not marked as deleted."""
        return live_run_ids(self.profile, self.project)

    def run_rows(self, run_ids: Collection[str]) -> list[TableRow]:
        """The rows of these runs in `evaluation_runs`."""
        return run_rows(self.profile, self.project, run_ids)

    def resolved_inputs(self, digests: Collection[str]) -> set[str]:
        """Those of the digests whose inputs are there, not only their refs."""
        return resolved_inputs(self.profile, self.project, digests)


@dataclass(frozen=True)
class LoadContext:
    """A project to load. `is_full` has every run read again, and those removed that Weave no longer has."""

    settings: Settings
    client: WeaveClient
    stored: Stored = field(default_factory=NothingStored)
    is_full: bool = False

    @property
    def project(self) -> str:
        """The project, as entity/project."""
        return self.settings.project

    @property
    def wanted(self) -> RunFilter:
        """The runs that the settings name."""
        return self.settings.run_filter()

    @property
    def evaluate_ops(self) -> list[str] | tuple[str, ...]:
        """Names of the ops whose calls are evaluation runs."""
        return self.settings.evaluate_ops or EVALUATE_OPS

    @property
    def is_range(self) -> bool:
        """Whether a range of runs is read, whatever was read before."""
        wanted = self.wanted
        return bool(wanted.since or wanted.until or wanted.run_ids)

    @property
    def state_key(self) -> str:
        """Under which key the project's state is saved: filtered loads have a state of their own."""
        filters = (sorted(self.wanted.evaluations), sorted(self.wanted.models), self.settings.only_v2_runs)
        if not any(filters):
            return self.project
        mark = hashlib.blake2b(repr(filters).encode(), digest_size=6).hexdigest()
        return f"{self.project}?{mark}"


def connect(settings: Settings) -> WeaveClient:
    """A client for the project, with the key and base URL found where W&B's tools find them."""
    return WeaveClient(
        trace_base_url(settings.base_url),
        api_key(settings.api_key),
        settings.project,
        limiter=RateLimiter(settings.requests_per_second),
        parallelism=settings.parallelism,
        patience=settings.patience(),
    )
