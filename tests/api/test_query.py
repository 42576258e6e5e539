from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from weave_eval.api.query import (
    Expression,
    all_of,
    any_of,
    at_least,
    at_most,
    before,
    contains,
    equal,
    negated,
    one_of,
    where,
)

NOON = datetime(2026, 5, 4, 12, 0, 0, 250_000, timezone.utc)
AT_NOON = [{"$getField": "started_at"}, {"$literal": "2026-05-04T12:00:00.250000Z"}]
X_IS_1 = {"$eq": [{"$getField": "x"}, {"$literal": "1"}]}
NO_Y = {"$eq": [{"$getField": "y"}, {"$literal": None}]}


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (equal("x", "1"), X_IS_1),
        (equal("y", None), NO_Y),
        (at_least("started_at", NOON), {"$gte": AT_NOON}),
        (before("started_at", NOON), {"$not": [{"$gte": AT_NOON}]}),
        (at_most("started_at", NOON), {"$not": [{"$gt": AT_NOON}]}),
        (contains("x", "1"), {"$contains": {"input": {"$getField": "x"}, "substr": {"$literal": "1"}}}),
        (one_of("x", ["1", "2"]), {"$in": [{"$getField": "x"}, [{"$literal": "1"}, {"$literal": "2"}]]}),
        (negated(X_IS_1), {"$not": [X_IS_1]}),
        (all_of([X_IS_1, NO_Y]), {"$and": [X_IS_1, NO_Y]}),
        (any_of([X_IS_1, NO_Y]), {"$or": [X_IS_1, NO_Y]}),
        (where(X_IS_1), {"$expr": X_IS_1}),
    ],
)
def test_expressions_are_those_of_weave(made: Expression, expected: Expression) -> None:
    assert made == expected


def test_a_time_elsewhere_keeps_its_offset() -> None:
    (_, literal) = at_least("started_at", NOON.astimezone(timezone(timedelta(hours=2))))["$gte"]
    assert literal == {"$literal": "2026-05-04T14:00:00.250000+02:00"}
