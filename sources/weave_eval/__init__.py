"""W&B Weave evaluations as normalized tables: runs, inputs, result rows, trials, scores, scorer stats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .settings import Settings
    from .source import weave_eval

__all__ = ["Settings", "weave_eval"]


def __getattr__(name: str) -> Any:
    """Imports the source when it is first used: the command line's help needs neither it nor dlt."""
    if name in __all__:
        from . import settings, source  # noqa: PLC0415

        return {"Settings": settings.Settings, "weave_eval": source.weave_eval}[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
