"""How often in a row, and since when, a project was not loaded because others held its lock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import msgspec

from ..errors import BusyError, LockedOutError
from ..times import utc_now

_SEVERAL = 3
_LONG = timedelta(hours=6)


class _Spell(msgspec.Struct):
    since: Annotated[datetime, msgspec.Meta(tz=True)]
    times: int


@contextmanager
def told_when_it_lasts(record: Path) -> Iterator[None]:
    """Counts in the file `record` how often in a row the lock was held by another.

    Raises `LockedOutError` in place of `BusyError` from the third time on, if the first was six hours ago or more.
    """
    try:
        yield
    except BusyError as error:
        spell = _continued(record)
        if spell.times >= _SEVERAL and utc_now() - spell.since >= _LONG:
            raise LockedOutError(
                f"{error} This was the case {spell.times} times in a row, since {spell.since:%Y-%m-%d %H:%M} UTC: see "
                "whether what holds the lock still works, and end it if not."
            ) from None
        raise
    except BaseException:
        _end(record)
        raise
    _end(record)


def _end(record: Path) -> None:
    with suppress(OSError):
        record.unlink(missing_ok=True)


def _continued(record: Path) -> _Spell:
    now = utc_now()
    spell = _Spell(now, 0)
    with suppress(OSError, msgspec.DecodeError):
        spell = msgspec.json.decode(record.read_bytes(), type=_Spell)
    spell = _Spell(min(spell.since, now), spell.times + 1)
    with suppress(OSError):
        record.write_bytes(msgspec.json.encode(spell))
    return spell
