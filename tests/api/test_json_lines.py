from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weave_eval.api.json_lines import parse_lines
from weave_eval.errors import UnreadableBodyError


def lines_of(body: bytes) -> list[bytes]:
    return parse_lines(body, bytes, "line")


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        (b"", []),
        (b"\n", []),
        (b'{"a":1}', [b'{"a":1}']),
        (b'{"a":1}\n{"b":2}\n', [b'{"a":1}', b'{"b":2}']),
        (b'{"a":1}\r\n\n{"b":2}', [b'{"a":1}\r', b'{"b":2}']),
        ('{"a":"x\u2028y\u0085z\x0b"}\n'.encode(), ['{"a":"x\u2028y\u0085z\x0b"}'.encode()]),
    ],
)
def test_lines_end_at_newlines_alone(body: bytes, lines: list[bytes]) -> None:
    assert lines_of(body) == lines


@pytest.mark.parametrize("body", [b'{"a":1', b'{"a":1}\n{"b"', b"x"])
def test_a_last_line_that_is_cut_short_is_noticed(body: bytes) -> None:
    with pytest.raises(UnreadableBodyError, match="cut short"):
        lines_of(body)


@given(st.lists(st.dictionaries(st.text(), st.text() | st.integers(), max_size=3)))
def test_lines_come_back_as_they_were_joined(values: list[dict[str, Any]]) -> None:
    lines = [json.dumps(value, ensure_ascii=False).encode() for value in values]
    assert lines_of(b"\n".join(lines)) == lines
    assert lines_of(b"".join(line + b"\n" for line in lines)) == lines


@pytest.mark.parametrize("line", [b'{"a":1,}', b"[1]", b'{"a":"x"}', b'{"b":1}', b'{"a":"\xff"}'])
def test_a_line_of_another_kind_is_unreadable(line: bytes) -> None:
    class Seat(msgspec.Struct):
        a: int

    decoder = msgspec.json.Decoder(Seat)
    assert parse_lines(b'{"a":1}', decoder.decode, "seat") == [Seat(1)]
    with pytest.raises(UnreadableBodyError, match="a line is not a seat: "):
        parse_lines(b'{"a":1}\n' + line + b"\n", decoder.decode, "seat")
