"""A DuckDB file that another program writes to, or began to make and did not finish: nobody can open it meanwhile."""

from __future__ import annotations

import re
from pathlib import Path

_LOCKED = "Could not set lock on file"
_EMPTY_BYTES = 3 * 4096
"""The size of a DuckDB file that holds nothing: three headers."""
_MAGIC = b"DUCK"
_HOLDER = re.compile(r"Conflicting lock is held in .*?\(PID (\d+)\)")


def file_holder(message: str) -> str | None:
    """The process that has a file open, if DuckDB's message says that one has; empty if it does not say which."""
    if _LOCKED not in message:
        return None
    holder = _HOLDER.search(message)
    return f"process {holder[1]}" if holder else ""


def set_aside_unfinished(file: Path) -> list[str]:
    """Renames a file whose making was cut short, and that holds nothing; says so in a warning."""
    if not (file.is_file() and _is_unfinished(file)):
        return []
    aside = file.with_name(f"{file.name}.unfinished")
    file.replace(aside)
    warning = (
        f"{file} was not a whole DuckDB file: the program that began to make it was stopped before it wrote anything. "
        f"It was renamed to {aside.name} and can be deleted; a new file was made."
    )
    return [warning]


def _is_unfinished(file: Path) -> bool:
    """Whether the file ends within DuckDB's headers, none of which can be read."""
    import duckdb  # noqa: PLC0415 - loads into other warehouses do without

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
