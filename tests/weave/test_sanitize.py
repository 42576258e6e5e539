from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weave_eval.weave.sanitize import Changes, clean, clean_text, clean_texts, needs_cleaning, parse_tolerantly, to_json

ANY_TEXT = st.text(st.characters(categories=["L", "N", "P", "Z", "Cc", "Cs", "So"]))
UNSTORABLE = st.sampled_from(["\0", "\ud800", "\udbff", "\udc00", "\udfff"])
ANY_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=12,
)
CLEAN_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), inner, max_size=4)
    ),
    max_leaves=12,
)


def _has_unstorable(text: str) -> bool:
    return any(char == "\0" or "\ud800" <= char <= "\udfff" for char in text)


@pytest.mark.parametrize(
    ("text", "cleaned", "changed"),
    [
        ("a\0b", "a\ufffdb", 1),
        ("\ud83d", "\ufffd", 1),
        ("x\udc00\0", "x\ufffd\ufffd", 1),
        ("plain \u2028 \x7f \x01 \ufffd 😀", "plain \u2028 \x7f \x01 \ufffd 😀", 0),
        ("", "", 0),
    ],
)
def test_only_what_cannot_be_stored_is_replaced(text: str, cleaned: str, changed: int) -> None:
    changes = Changes()
    assert clean_text(text, changes) == cleaned
    assert changes.texts == changed


@given(ANY_TEXT, UNSTORABLE, ANY_TEXT)
def test_cleaned_text_can_be_stored_and_keeps_its_length(before: str, bad: str, after: str) -> None:
    changes = Changes()
    cleaned = clean_text(before + bad + after, changes)
    assert not _has_unstorable(cleaned)
    assert len(cleaned) == len(before) + 1 + len(after)
    assert changes.texts == 1
    cleaned.encode()


@given(ANY_JSON)
def test_a_cleaned_value_is_json_that_every_warehouse_takes(value: Any) -> None:
    text = to_json(clean(value, Changes()))
    assert not _has_unstorable(json.dumps(json.loads(text), ensure_ascii=False))


@given(CLEAN_JSON)
def test_clean_values_are_left_alone(value: Any) -> None:
    changes = Changes()
    assert clean(value, changes) == value
    assert clean_texts(value, changes) == value
    assert (changes.texts, changes.numbers) == (0, 0)


@given(CLEAN_JSON)
def test_json_text_holds_the_value_it_was_made_from(value: Any) -> None:
    assert json.loads(to_json(value)) == value


def test_changes_are_counted_by_kind() -> None:
    changes = Changes()
    value = {"k\0": [math.nan, math.inf, -math.inf, 1.5], "fine": {"deep": "\ud800"}}
    assert clean(value, changes) == {"k\ufffd0000": [None, None, None, 1.5], "fine": {"deep": "\ufffd"}}
    assert (changes.texts, changes.numbers) == (2, 3)


def test_numbers_that_are_not_finite_stay_where_only_texts_are_cleaned() -> None:
    changes = Changes()
    cleaned = clean_texts({"a\0": [math.inf, "b\0"]}, changes)
    assert cleaned == {"a\ufffd0000": [math.inf, "b\ufffd"]}
    assert (changes.texts, changes.numbers) == (2, 0)


@given(ANY_JSON, st.booleans())
def test_needs_cleaning_never_misses(value: Any, ascii_only: bool) -> None:
    """Escaped or not, JSON text that decodes to something unstorable is found, unless it is no UTF-8 at all."""
    try:
        body = json.dumps(value, ensure_ascii=ascii_only).encode()
    except UnicodeEncodeError:
        return
    changes = Changes()
    clean_texts(value, changes)
    assert needs_cleaning(body) or not changes.texts


@pytest.mark.parametrize("body", [b'"\\u0000"', b'"\\ud83d"', b'"\\uDFFF"', b'{"\\u0000": 1}'])
def test_escapes_are_found(body: bytes) -> None:
    assert needs_cleaning(body)


@pytest.mark.parametrize("body", ['"😀"'.encode(), b'"\\u00e9"', b'"\\n\\u0001"', b"{}", b"", b'"\\ufffd"'])
def test_ordinary_escapes_cause_no_alarm(body: bytes) -> None:
    assert not needs_cleaning(body)


def test_what_some_writers_take_for_json_is_read() -> None:
    read = parse_tolerantly(b'{"nan": NaN, "up": Infinity, "down": -Infinity, "text": "\xff\xfe", "big": 1e999}')
    assert math.isnan(read.pop("nan"))
    assert read == {"up": math.inf, "down": -math.inf, "text": "\ufffd\ufffd", "big": math.inf}


@pytest.mark.parametrize("body", [b"", b"{", b"not json", b'{"a": 1', b"\x1f\x8b\x08"])
def test_garbage_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_tolerantly(body)


def test_integers_of_any_size_keep_their_digits() -> None:
    assert to_json([2**64 + 1, -(10**40)]) == b"[18446744073709551617," + b"-1" + b"0" * 40 + b"]"


NAMES = ("judge\0", "judge\ufffd", "judge\ud800", "judge\udfff", "judge")


def test_names_that_differ_in_what_cannot_be_stored_stay_apart() -> None:
    changes = Changes()
    cleaned = clean({"scores": dict.fromkeys(NAMES, 1)}, changes)
    assert list(cleaned["scores"]) == ["judge\ufffd0000", "judge\ufffd", "judge\ufffdd800", "judge\ufffddfff", "judge"]
    assert changes.texts == 3
