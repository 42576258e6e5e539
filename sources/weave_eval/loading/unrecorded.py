"""Executions that failed where nothing could be written: kept in the working folder until the next one records them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import dlt
import msgspec

from ..rows.columns import TableRow
from ..tables import TABLES_BY_NAME
from ..times import parse_time

_KEY = "weave_eval_unrecorded"
_MOST = 50
_MAKERS: dict[str, Callable[[Any], Any]] = {"json": str.encode, "timestamp": parse_time}
_TYPES = {column.name: column.type for column in TABLES_BY_NAME["syncs"].columns}


def unrecorded(pipeline: dlt.Pipeline) -> list[TableRow]:
    """The rows of `syncs` that are still to be written, earliest first."""
    kept: Any = pipeline.state["_local"].get(_KEY)
    with suppress(TypeError, ValueError, AttributeError):
        return [_row(fields) for fields in msgspec.json.decode(kept)]
    return []


def _row(fields: dict[str, Any]) -> TableRow:
    return {name: _value(name, value) for name, value in fields.items() if name in _TYPES}


def _value(name: str, value: Any) -> Any:
    """The value as rows have it: JSON as bytes, times as such."""
    make = _MAKERS.get(_TYPES[name])
    return make(value) if make and value is not None else value


def _told(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value


def keep_unrecorded(pipeline: dlt.Pipeline, rows: Sequence[TableRow]) -> None:
    """Keeps the latest of these rows, in place of those that were kept."""
    texts = [{name: _told(value) for name, value in row.items()} for row in rows[-_MOST:]]
    with suppress(OSError):  # a disk that is full, which the error that is not recorded has told
        pipeline.set_local_state_val(_KEY, msgspec.json.encode(texts).decode() if texts else None)
