"""Queries of Weave's API over recorded objects: conditions, order and paging."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from ..times import parse_time

Record = dict[str, Any]


def matches(expression: Any, record: Record) -> bool:
    """Whether a record meets an expression such as `{"$gte": [{"$getField": "started_at"}, {"$literal": ...}]}`.

    Raises `KeyError` for an operator that is not known.
    """
    return bool(_value(expression, record))


def _value(expression: Any, record: Record) -> Any:
    ((operator, operand),) = expression.items()
    if operator == "$literal":
        return operand
    if operator == "$getField":
        return field(record, operand)
    if operator == "$contains":
        return str(_value(operand["substr"], record)) in str(_value(operand["input"], record) or "")
    if operator == "$in":
        return _value(operand[0], record) in [_value(each, record) for each in operand[1]]
    operands = operand if isinstance(operand, list) else [operand]
    return _OPERATORS[operator]([_value(each, record) for each in operands])


def _compared(test: Callable[[Any, Any], bool]) -> Callable[[list[Any]], bool]:
    def compare(values: list[Any]) -> bool:
        left, right = (_comparable(value) for value in values)
        return left is not None and right is not None and test(left, right)

    return compare


def _comparable(value: Any) -> Any:
    """A time as such, so that times with and without fractions of a second compare."""
    try:
        return parse_time(value)
    except (ValueError, AttributeError):
        return value


_OPERATORS: dict[str, Callable[[list[Any]], bool]] = {
    "$and": all,
    "$or": any,
    "$not": lambda values: not values[0],
    "$eq": lambda values: bool(_comparable(values[0]) == _comparable(values[1])),
    "$gt": _compared(lambda left, right: bool(left > right)),
    "$gte": _compared(lambda left, right: bool(left >= right)),
}


def field(record: Record, path: str) -> Any:
    """The field that a path such as `inputs.model` leads to; None if there is none."""
    value: Any = record
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def ordered(records: Iterable[Record], body: Record, default: str) -> list[Record]:
    """The records in the order that `sort_by` asks for, without it by the field `default`."""
    found = list(records)
    for order in reversed(body.get("sort_by") or [{"field": default, "direction": "asc"}]):
        found.sort(key=lambda record: _sort_key(field(record, order["field"])), reverse=order["direction"] == "desc")
    return found


def _sort_key(value: Any) -> tuple[bool, datetime | str]:
    moment = _comparable(value)
    return value is not None, moment if isinstance(moment, datetime) else str(value)


def page(records: list[Any], body: Record) -> list[Any]:
    """The part of the records that `limit` and `offset` ask for."""
    start = int(body.get("offset") or 0)
    limit = body.get("limit")
    return records[start:] if limit is None else records[start : start + int(limit)]
