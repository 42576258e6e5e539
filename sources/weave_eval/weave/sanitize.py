"""Values that some warehouse cannot hold, replaced once for all of them.

NUL and lone surrogates in text become U+FFFD, in names followed by their code, so that names that differ in nothing
else stay apart; NaN and infinities in JSON become null.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_SUSPECT_ESCAPE = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")


class Changes:
    """Counts the values that were changed."""

    def __init__(self) -> None:
        self.texts = 0
        self.numbers = 0

    def warnings(self) -> list[str]:
        """Sentences about the values that were changed, if any were."""
        warnings = []
        if self.texts:
            warnings.append(f"{self.texts} texts with NUL or lone surrogates were changed (to U+FFFD)")
        if self.numbers:
            warnings.append(f"{self.numbers} numbers that are not finite were changed to null")
        return warnings

    def clear(self) -> None:
        """Counts from zero."""
        self.texts = self.numbers = 0


def needs_cleaning(body: bytes) -> bool:
    """Whether JSON text may hold an escaped NUL or surrogate, or is not UTF-8 (false alarms happen, misses do not)."""
    try:
        body.decode()
    except UnicodeDecodeError:
        return True
    return _SUSPECT_ESCAPE.search(body) is not None


def clean_text(text: str, changes: Changes) -> str:
    """The text without NUL and lone surrogates."""
    if _is_storable(text):
        return text
    changes.texts += 1
    return _UNSTORABLE.sub("\ufffd", text)


def clean_name(name: str, changes: Changes) -> str:
    """The name of a field or scorer without NUL and lone surrogates, whose codes it has in their place."""
    if _is_storable(name):
        return name
    changes.texts += 1
    return _UNSTORABLE.sub(lambda found: f"\ufffd{ord(found[0]):04x}", name)


def _is_storable(text: str) -> bool:
    """Whether the text has nothing to replace: found at the speed of copying, which the pattern is far from."""
    if "\0" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def clean(value: Any, changes: Changes) -> Any:
    """A JSON value with every text cleaned and every NaN and infinity turned to null."""
    return _clean_with(_clean_leaf, value, changes)


def clean_texts(value: Any, changes: Changes) -> Any:
    """A JSON value with every text cleaned; NaN and infinities stay."""
    return _clean_with(_clean_if_text, value, changes)


def _clean_leaf(value: Any, changes: Changes) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        changes.numbers += 1
        return None
    return _clean_if_text(value, changes)


def _clean_if_text(value: Any, changes: Changes) -> Any:
    return clean_text(value, changes) if isinstance(value, str) else value


def _clean_with(clean_leaf: Callable[[Any, Changes], Any], value: Any, changes: Changes) -> Any:
    """A copy with each leaf and key cleaned; it does not recurse, for Weave nests values deeply."""
    whole = [value]
    todo: list[Any] = [whole]
    while todo:
        part = todo.pop()
        for place, item in enumerate(part) if isinstance(part, list) else list(part.items()):
            if isinstance(item, dict):
                part[place] = {clean_name(key, changes): inner for key, inner in item.items()}
                todo.append(part[place])
            elif isinstance(item, list):
                part[place] = list(item)
                todo.append(part[place])
            else:
                part[place] = clean_leaf(item, changes)
    return whole[0]


def parse_tolerantly(body: bytes) -> Any:
    """Any JSON, and what some writers take for it: NaN, Infinity, invalid UTF-8. Raises `ValueError`."""
    return json.loads(body.decode("utf-8", "replace"))


def to_json(value: Any) -> bytes:
    """Compact JSON text; integers of any size are kept."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def json_or_none(value: Any) -> bytes | None:
    """Compact JSON text, or None in place of null."""
    return None if value is None else to_json(value)
