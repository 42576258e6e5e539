"""Texts of others are told without the secrets in them, however these are written and however long the texts are."""

from __future__ import annotations

import base64
from collections.abc import Callable
from urllib.parse import quote

import pytest

from weave_eval.api.redaction import redacted

SECRET = 'k/0123 "4567" é89?ab'


@pytest.mark.parametrize("secret", [SECRET, quote(SECRET), quote(SECRET, safe="").lower(), repr(SECRET)[1:-1]])
def test_a_secret_as_texts_write_it(secret: str) -> None:
    assert redacted(f"before {secret} after", [SECRET]) == "before *** after"


@pytest.mark.parametrize("before", ["", "a", "ab", "abc"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_secret_in_base64_takes_the_whole_run_with_it(before: str, encode: Callable[[bytes], bytes]) -> None:
    packed = encode(f"{before}{SECRET}:".encode()).decode()
    assert redacted(f"Basic {packed}, of {packed[:4]}", [SECRET]) == f"Basic ***, of {packed[:4]}"


def test_a_long_text() -> None:
    """Of a length at which a search that starts again at each character would not end."""
    run = "a" * 3_000_000
    packed = base64.b64encode(SECRET.encode()).decode()
    assert redacted(f"{run} {packed} {run}", [SECRET]) == f"{run} *** {run}"


def test_short_secrets_stay() -> None:
    assert redacted("abc abcd", ["abc"]) == "abc abcd"
