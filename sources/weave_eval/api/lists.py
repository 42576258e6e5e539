"""Answers of the API that are lists of objects: read page by page, cleaned of what no warehouse can hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import msgspec

from ..errors import TooHeavyError, UnreadableBodyError
from ..weave.sanitize import Changes, clean, needs_cleaning, parse_tolerantly

Item = TypeVar("Item")


def parse_items(body: bytes, name: str, changes: Changes) -> list[dict[str, Any]]:
    """The list of objects under `name` in an answer, cleaned. Raises `UnreadableBodyError` if there is none."""
    answer = parse_cleaned(body, changes)
    items = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise UnreadableBodyError(f"it has no list of {name}")
    return items


def parse_cleaned(body: bytes, changes: Changes) -> Any:
    """JSON without what some warehouse cannot hold. Raises `UnreadableBodyError` for what is not JSON."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        try:
            return clean(parse_tolerantly(body), changes)
        except ValueError as error:
            raise UnreadableBodyError(str(error)) from None
    return clean(value, changes) if needs_cleaning(body) else value


def read_pages(
    fetch: Callable[[int, int], list[Item]], limit: int, *, until_empty: bool = False
) -> Iterator[list[Item]]:
    """Pages of what `fetch` (offset, limit) gives, smaller ones from where an answer is too heavy.

    Ends after a page that is not full; or, for lists that can end early without a sign, after an empty one.
    """
    offset = 0
    while True:
        try:
            page = fetch(offset, limit)
        except TooHeavyError:
            if limit == 1:
                raise
            limit = (limit + 1) // 2
            continue
        offset += len(page)
        if page:
            yield page
        if not page or (len(page) < limit and not until_empty):
            return
