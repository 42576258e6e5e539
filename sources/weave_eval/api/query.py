"""Expressions of Weave's query language, as endpoints take them in `query`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

Expression = dict[str, Any]
"""An operator and its operands, as JSON values."""


def where(expression: Expression) -> Expression:
    """The `query` that finds what the expression is true of."""
    return {"$expr": expression}


def field(name: str) -> Expression:
    """The value of a field, named by its path."""
    return {"$getField": name}


def literal(value: str | datetime | None) -> Expression:
    """A value; a time as Weave writes it."""
    return {"$literal": value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value}


def equal(name: str, value: str | None) -> Expression:
    """Whether the field has the value."""
    return {"$eq": [field(name), literal(value)]}


def at_least(name: str, bound: datetime) -> Expression:
    """Whether the field's time is `bound` or later."""
    return {"$gte": [field(name), literal(bound)]}


def before(name: str, bound: datetime) -> Expression:
    """Whether the field's time is earlier than `bound`. Weave has no operator for that."""
    return negated(at_least(name, bound))


def at_most(name: str, bound: datetime) -> Expression:
    """Whether the field's time is `bound` or earlier."""
    return negated({"$gt": [field(name), literal(bound)]})


def contains(name: str, text: str) -> Expression:
    """Whether the field's text has `text` in it."""
    return {"$contains": {"input": field(name), "substr": literal(text)}}


def one_of(name: str, values: Iterable[str]) -> Expression:
    """Whether the field has one of the values."""
    return {"$in": [field(name), [literal(value) for value in values]]}


def negated(expression: Expression) -> Expression:
    """Whether the expression is false."""
    return {"$not": [expression]}


def all_of(expressions: list[Expression]) -> Expression:
    """Whether all of the expressions are true."""
    return {"$and": expressions}


def any_of(expressions: list[Expression]) -> Expression:
    """Whether at least one of the expressions is true."""
    return {"$or": expressions}
