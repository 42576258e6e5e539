"""W&B Weave evaluations as normalized tables: runs, inputs, result rows, trials, scores, scorer stats.

What is exported here is the public API; everything else may change.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .errors import (
    ApiError,
    BusyError,
    DefectError,
    DestinationError,
    LockedOutError,
    MissingKeyError,
    NoAccessError,
    NotFoundError,
    NotWeaveError,
    RefusedKeyError,
    SettingsError,
    TerminalApiError,
    TooHeavyError,
    TransientApiError,
    UnconfirmedError,
    WeaveEvalError,
)

if TYPE_CHECKING:
    from .loading.load import LoadOptions, load_project
    from .loading.outcome import LoadResult
    from .loading.verify import Verified, verify_project
    from .settings import Settings, configured_projects, resolve_settings
    from .source import weave_eval
    from .warehouse.profiles import DESTINATIONS_FILE, Profile, profile

__all__ = [
    "DESTINATIONS_FILE",
    "ApiError",
    "BusyError",
    "DefectError",
    "DestinationError",
    "LoadOptions",
    "LoadResult",
    "LockedOutError",
    "MissingKeyError",
    "NoAccessError",
    "NotFoundError",
    "NotWeaveError",
    "Profile",
    "RefusedKeyError",
    "Settings",
    "SettingsError",
    "TerminalApiError",
    "TooHeavyError",
    "TransientApiError",
    "UnconfirmedError",
    "Verified",
    "WeaveEvalError",
    "configured_projects",
    "load_project",
    "profile",
    "resolve_settings",
    "verify_project",
    "weave_eval",
]

_MODULES = {
    "DESTINATIONS_FILE": "warehouse.profiles",
    "LoadOptions": "loading.load",
    "LoadResult": "loading.outcome",
    "Profile": "warehouse.profiles",
    "Settings": "settings",
    "Verified": "loading.verify",
    "configured_projects": "settings",
    "load_project": "loading.load",
    "profile": "warehouse.profiles",
    "resolve_settings": "settings",
    "verify_project": "loading.verify",
    "weave_eval": "source",
}
"""Where names are imported from when they are first used: they need dlt, which the command line's help does not."""


def __getattr__(name: str) -> Any:
    """The exported object of that name."""
    if name in _MODULES:
        return getattr(import_module(f".{_MODULES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
