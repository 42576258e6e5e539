"""Evaluations that no load lists, because their op has a name of its own."""

from __future__ import annotations

import json

from ..api.client import WeaveClient
from ..reading.discovery import EVALUATE_OPS, other_evaluate_ops
from ..settings import Settings


def unlisted_evaluations(settings: Settings, client: WeaveClient) -> str | None:
    """A sentence on ops that look like evaluations and are not loaded, and what to set; None if there are none."""
    ops = settings.evaluate_ops or EVALUATE_OPS
    others = other_evaluate_ops(client, ops)
    if not others:
        return None
    return (
        f"Calls of {', '.join(others)} look like evaluations too and are not loaded. To load them, set evaluate_ops "
        f"to {json.dumps([*ops, *others])}"
    )
