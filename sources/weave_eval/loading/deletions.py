"""Which runs are gone from Weave, and whether that is believed: see `state.doubts`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ..errors import UnconfirmedError
from ..reading.discovery import list_runs, run_exists
from ..reading.objects import has_objects
from ..state.doubts import is_same_server, is_unlikely, other_server
from ..weave.run_filter import RunFilter
from .context import LoadContext

_ASKED_FIRST = 10
_NOTHING = "Nothing was loaded, marked or removed."


def require_known_server(context: LoadContext, saved: Mapping[str, Any]) -> None:
    """Raises `UnconfirmedError` if the project was loaded from another server, and this one is not confirmed."""
    base_url, confirmed = context.client.base_url, context.settings.confirm_server
    known = other_server(saved, context.project, base_url)
    if known and not (confirmed and is_same_server(confirmed, base_url)):
        raise UnconfirmedError(
            f"{context.project} was loaded from {known} until now, and the base URL is {base_url}. What another server "
            f"lacks would look deleted. {_NOTHING} Check the base URL; if the project is there now, run once with "
            f"--confirm-server {base_url} (or the setting confirm_server)."
        )


def gone_runs(
    context: LoadContext, absent: Collection[str], held: Collection[str], listed: Collection[str]
) -> list[str]:
    """Those of the runs absent from a listing that Weave says it does not have.

    `held` are the runs that were expected in what was `listed`. Raises `UnconfirmedError` if it is unlikely that so
    many of them were deleted; where many are absent, the first few stand for the others.
    """
    first, others = sorted(absent)[:_ASKED_FIRST], sorted(absent)[_ASKED_FIRST:]
    gone = _missing(context, first)
    if others and len(gone) == len(first):
        require_likely(context, absent, held, listed)
    gone += _missing(context, others)
    require_likely(context, gone, held, listed)
    return gone


def _missing(context: LoadContext, run_ids: Sequence[str]) -> list[str]:
    return [run_id for run_id in run_ids if not run_exists(context.client, run_id)]


def require_likely(context: LoadContext, gone: Collection[str], held: Collection[str], listed: Collection[str]) -> None:
    """Raises `UnconfirmedError` if it is unlikely that these runs are gone, and not confirmed.

    Where at least half of the runs that a load looks at are gone, all others that the warehouse holds are looked at.
    """
    if not gone or 2 * len(gone) < len(held):
        return
    live = context.stored.live_run_ids() | set(held)
    if live - {*held, *listed}:
        listed = [run.run_id for run in list_runs(context.client, RunFilter(), ops=context.evaluate_ops)]
    lost = live.intersection(gone) | (live - {*held, *listed})
    is_empty = not listed and len(live) == 1 and not has_objects(context.client)
    if not is_unlikely(len(lost), len(live), is_empty=is_empty) or len(lost) <= context.settings.confirm_deletions:
        return
    raise UnconfirmedError(
        f"{context.project}: {context.client.base_url} does not have {len(lost)} of the {len(live)} runs that were "
        f"loaded, such as {min(lost)}. So many are hardly ever deleted at once. {_NOTHING} Check the base URL and what "
        f"the API key may read; if they were deleted, run once with --confirm-deletions {len(lost)} (or the setting "
        "confirm_deletions)."
    )
