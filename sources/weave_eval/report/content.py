"""Inputs, outputs and errors short enough to read, with the full text at hand while the text budget lasts."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from dataclasses import dataclass
from typing import Any

SHORT = 280
"""Characters of a text that are shown at once."""
LONGEST = 20_000
"""Characters of a text that are kept at most."""
_LONGEST_TITLE = 110
_LONGEST_NAME = 80
_TITLES = ("question", "input", "prompt", "query", "message", "text", "title", "name")
_MOST_FIELDS = 12
_KEPT_CONTROLS = "\n\t"


@dataclass(frozen=True)
class Excerpt:
    """A text: its beginning, the full text where it is longer and was kept, and how many characters are left out."""

    start: str
    whole: str | None = None
    left_out: int = 0


@dataclass(frozen=True)
class ShownField:
    """A named part of an input or output; a value that is not an object has a single part without a name."""

    name: str
    value: Excerpt


class TextBudget:
    """The characters that a page has left for full texts; once they are used up, texts are shortened for good."""

    def __init__(self, characters: int = 1_500_000):
        self._left = characters
        self.shortened = 0

    def excerpt(self, text: str) -> Excerpt:
        """A text as a passage."""
        text = clean(text)
        if len(text) <= SHORT:
            return Excerpt(text)
        kept = text[: min(LONGEST, self._left)]
        self._left -= len(kept)
        if len(kept) <= SHORT:
            self.shortened += 1
            return Excerpt(f"{text[:SHORT]}…", left_out=len(text) - SHORT)
        self.shortened += len(kept) < len(text)
        return Excerpt(f"{text[:SHORT]}…", kept, len(text) - len(kept))

    def fields(self, value: Any) -> list[ShownField]:
        """A JSON value by its fields."""
        if not isinstance(value, dict) or not value:
            return [ShownField("", self.excerpt(plain(value)))]
        shown = list(value.items())[:_MOST_FIELDS]
        fields = [ShownField(short(str(name), 60), self.excerpt(plain(part))) for name, part in shown]
        rest = len(value) - len(shown)
        return [*fields, ShownField("", Excerpt(f"… {rest} more fields"))] if rest else fields


def title(value: Any) -> str:
    """A JSON value in a line: the field that says most, or all of it."""
    if isinstance(value, dict):
        texts = {name: part for name, part in value.items() if isinstance(part, str) and part.strip()}
        named = [texts[name] for name in _TITLES if name in texts]
        value = next(iter([*named, *texts.values()]), value)
    return short(plain(value), _LONGEST_TITLE)


def plain(value: Any) -> str:
    """A JSON value as text: texts as they are, the rest as JSON."""
    if value is None:
        return "nothing"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def error_title(error: str | None) -> str:
    """An error in a line: its type and message where it is Weave's JSON, else its last line."""
    try:
        parsed = json.loads(error or "null")
    except ValueError:
        parsed = None
    if isinstance(parsed, dict) and "message" in parsed:
        kind = parsed.get("type")
        return short(f"{kind}: {parsed['message']}" if kind else str(parsed["message"]), 160)
    lines = (error or "").strip().splitlines()
    return short(lines[-1], 160) if lines else "no message"


def short(text: str, longest: int) -> str:
    """A text in one line, cut where it is too long."""
    line = " ".join(clean(text[: 4 * longest]).split())
    return f"{line[: longest - 1]}…" if len(line) > longest or len(text) > 4 * longest else line


def name(text: str) -> str:
    """A name in one line; two long ones that differ stay different."""
    line = short(text, _LONGEST_NAME)
    if not line.endswith("…") or line == text:
        return line
    digest = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=3).hexdigest()
    return f"{line[: _LONGEST_NAME - 8]}…{digest}"


def clean(text: str) -> str:
    """A text without what no page can hold: controls, lone surrogates, and marks that turn the reading direction."""
    return "".join(letter if _is_kept(letter) else "\N{REPLACEMENT CHARACTER}" for letter in text)


def _is_kept(letter: str) -> bool:
    if letter.isprintable() or letter in _KEPT_CONTROLS:
        return True
    return unicodedata.category(letter) not in ("Cc", "Cs") and letter not in _TURNING


_TURNING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"
