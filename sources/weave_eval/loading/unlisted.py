"""Evaluations that no load lists, because their op has a name of its own."""

from __future__ import annotations

import json
from collections.abc import Sequence

from ..api.client import WeaveClient
from ..errors import TerminalApiError
from ..reading.discovery import other_evaluate_ops
from .context import LoadContext


def unlisted_evaluations(client: WeaveClient, ops: Sequence[str]) -> str | None:
    """A sentence on other ops than `ops` that look like evaluations, and what to set; None if there are none."""
    others = other_evaluate_ops(client, ops)
    if not others:
        return None
    return (
        f"Calls of {', '.join(others)} look like evaluations too and are not loaded. To load them, set evaluate_ops "
        f"to {json.dumps([*ops, *others])}"
    )


def unlisted_warnings(context: LoadContext) -> list[str]:
    """A warning if there are evaluations that are not listed; none where somebody has said what is wanted."""
    if context.is_range or context.state_key != context.project or context.settings.evaluate_ops:
        return []
    ops = context.evaluate_ops
    try:
        found = unlisted_evaluations(context.client, ops)
    except TerminalApiError:  # a server that takes no such query; nothing else hangs on it
        return []
    return [f"{found}, or to {json.dumps([*ops])} to leave them out without this warning."] if found else []
