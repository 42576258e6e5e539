"""How far a list that only grows was read: by time, with a little overlap, and by what was seen in it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ..times import parse_time

OVERLAP = timedelta(hours=1)
"""How far behind the newest item later loads look again: servers' clocks differ, and writes become visible late."""

_REMEMBERED = 200


@dataclass(frozen=True)
class Cursor:
    """How far a list that only grows was read: everything before `since`, and of the rest what is in `marks`."""

    since: datetime | None = None
    marks: frozenset[str] = frozenset()

    @classmethod
    def load(cls, saved: Any) -> Cursor:
        """The cursor that `dump` made; one at the start if `saved` is not a cursor. Starting over is safe."""
        try:
            return cls(parse_time(saved["since"]) if saved["since"] else None, frozenset(map(str, saved["marks"])))
        except (KeyError, TypeError, ValueError, AttributeError):
            return cls()

    def dump(self) -> dict[str, Any]:
        """The cursor as JSON values, equal for equal cursors."""
        return {"since": self.since.isoformat() if self.since else None, "marks": sorted(self.marks)}

    def has(self, key: str) -> bool:
        """Whether the item of that key, among those from `since` on, was read."""
        return _mark(key) in self.marks

    def after(self, listed: Iterable[tuple[datetime, str]], pending: Collection[str] = ()) -> Cursor:
        """The cursor once all of `listed` (time and key of everything from `since` on) was read.

        Those in `pending` are to be read again. Only the newest few hundred keys are remembered: where more share
        the last hour, the next load looks back less far.
        """
        items = sorted(item for item in listed if self.since is None or item[0] >= self.since)
        if not items:
            return self
        recent = [item for item in items if item[0] >= items[-1][0] - OVERLAP]
        start = recent[-_REMEMBERED:][0][0] if len(recent) > _REMEMBERED else items[-1][0] - OVERLAP
        start = min([max(start, self.since or start), *(moment for moment, key in items if key in pending)])
        return Cursor(start, frozenset(_mark(key) for moment, key in items if moment >= start and key not in pending))


def _mark(key: str) -> str:
    return hashlib.blake2b(key.encode(), digest_size=6).hexdigest()
