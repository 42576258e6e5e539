"""What is believed of Weave, and what has to be confirmed first."""

from __future__ import annotations

from typing import Any

import pytest

from weave_eval.state.doubts import is_same_server, is_unlikely, other_server, remember_server

HOST = "https://trace.wandb.ai"


@pytest.mark.parametrize(
    ("gone", "held", "expected"),
    [
        (0, 0, False),
        (0, 5, False),
        (1, 2, False),
        (2, 2, True),
        (2, 3, False),
        (9, 10, False),
        (10, 10, True),
        (10, 19, True),
        (10, 20, False),
        (11, 21, True),
        (400, 1000, False),
        (501, 1000, True),
        (1000, 1000, True),
    ],
)
def test_all_at_once_or_ten_and_more_than_half_are_unlikely(gone: int, held: int, *, expected: bool) -> None:
    assert is_unlikely(gone, held, is_empty=False) is expected
    assert is_unlikely(gone, held, is_empty=True) is expected


def test_the_only_run_is_believed_to_be_gone_where_the_project_is_still_there() -> None:
    assert not is_unlikely(1, 1, is_empty=False)
    assert is_unlikely(1, 1, is_empty=True)


@pytest.mark.parametrize(
    ("base_url", "expected"),
    [
        (HOST, True),
        ("https://TRACE.wandb.ai/", True),
        ("http://trace.wandb.ai", True),
        ("https://acme.wandb.io", False),
        ("https://trace.wandb.ai/traces", False),
        ("https://trace.wandb.ai:8443", False),
    ],
)
def test_a_server_is_known_by_host_port_and_path(base_url: str, *, expected: bool) -> None:
    assert is_same_server(HOST, base_url) is expected


def test_a_server_is_remembered_once_a_run_was_read_from_it() -> None:
    saved: dict[str, Any] = {}
    remember_server(saved, "acme/x", "https://typo.example", is_read=False)
    assert saved == {}
    remember_server(saved, "acme/x", HOST, is_read=True)
    assert other_server(saved, "acme/x", HOST) is None
    assert other_server(saved, "acme/x", "https://acme.wandb.io/traces") == HOST
    assert other_server(saved, "acme/y", "https://acme.wandb.io/traces") is None


def test_another_server_that_was_confirmed_takes_its_place_although_nothing_was_read() -> None:
    saved = {"servers": {"acme/x": HOST}}
    remember_server(saved, "acme/x", "https://acme.wandb.io/traces", is_read=False)
    assert saved == {"servers": {"acme/x": "https://acme.wandb.io/traces"}}
