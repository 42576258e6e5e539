"""A DuckDB file that another program writes to, or began to make and did not finish: nobody can open it then."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from ..errors import BusyError, DestinationError
from .profiles import Location, Profile

_LOCKED = "Could not set lock on file"
_EMPTY_BYTES = 3 * 4096
"""The size of a DuckDB file that holds nothing: three headers."""
_MAGIC = b"DUCK"
_HOLDER = re.compile(r"Conflicting lock is held in .*?\(PID (\d+)\)")


@contextmanager
def busy_if_in_use(profile: Profile) -> Iterator[None]:
    """Turns the error about a file that is in use into `BusyError`, which says so in a sentence."""
    try:
        yield
    except DestinationError as error:
        if _LOCKED not in str(error):
            raise
        holder = _HOLDER.search(str(error))
        who = f" (process {holder[1]})" if holder else ""
        raise BusyError(
            f"The DuckDB file of the destination {profile.name!r} is open in another program{who}, such as a load. "
            "Nothing was done; run again later."
        ) from None


def set_aside_unfinished(location: Location) -> list[str]:
    """Renames a DuckDB file whose making was cut short, and that holds nothing; says so in a warning."""
    file = location.database_file
    if not (file and file.is_file() and _is_unfinished(file)):
        return []
    aside = file.with_name(f"{file.name}.unfinished")
    file.replace(aside)
    warning = (
        f"{file} was no DuckDB file: whatever began to make it was ended before it had written anything. It is called "
        f"{aside.name} now and can be deleted; a new one was made."
    )
    return [warning]


def _is_unfinished(file: Path) -> bool:
    """Whether the file ends within DuckDB's headers, none of which can be read."""
    log = file.with_name(f"{file.name}.wal")
    if file.stat().st_size > _EMPTY_BYTES or (log.exists() and log.stat().st_size):
        return False
    start = file.read_bytes()
    if start[8:12] not in (_MAGIC[: max(0, len(start) - 8)], bytes(4)):
        return False
    try:
        duckdb.connect(str(file), read_only=True).close()
    except duckdb.IOException as error:
        return _LOCKED not in str(error)
    except duckdb.Error:
        return True
    return False
