"""Whether the state that a load left for the next one has the form that this version writes.

Starting over is always safe: what is read again replaces what is there. Going on from a state that claims too much
would leave runs out, so a state is used as a whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from ..times import parse_time

CLOCK_SKEW = timedelta(days=1)
"""How far ahead of our clock a time may be."""


class _Project(msgspec.Struct):
    version: int
    cursor: str | None
    open_runs: dict[str, tuple[str, str]]
    closed_runs: dict[str, tuple[str, str]]
    trials: dict[str, int] = {}


class _Cursor(msgspec.Struct):
    since: str | None
    marks: list[str]


class _RelatedData(msgspec.Struct):
    objects: _Cursor | None = None
    feedback: _Cursor | None = None
    refs: list[str] = []


class _State(msgspec.Struct):
    projects: dict[str, _Project] = {}
    companions: dict[str, _RelatedData] = {}
    unproven: dict[str, dict[str, tuple[str, int | None, int | None, int | None, bool, bool]]] = {}
    heartbeats: dict[str, str | None] = {}
    completed: dict[str, str | None] = {}
    servers: dict[str, str] = {}


def is_sound(saved: Any, now: datetime) -> bool:
    """Whether the state has the shape that loads give it, and no cursor that lies in the future."""
    try:
        state = msgspec.convert(saved, _State)
        return all(parse_time(moment) <= now + CLOCK_SKEW for moment in _cursors(state))
    except (msgspec.ValidationError, ValueError, OverflowError):
        return False


def _cursors(state: _State) -> list[str]:
    lists = [cursor for known in state.companions.values() for cursor in (known.objects, known.feedback) if cursor]
    found = [*(project.cursor for project in state.projects.values()), *(cursor.since for cursor in lists)]
    return [moment for moment in found if moment]


def digest(saved: Mapping[str, Any]) -> str:
    """A mark that differs for different states."""
    return hashlib.blake2b(json.dumps(saved, sort_keys=True).encode(), digest_size=16).hexdigest()
