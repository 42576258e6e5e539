"""A lock that others hold for hours: at first nothing is wrong, then somebody is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from tests.weave_server.process import WeaveServer
from weave_eval.cli.exit_codes import BUSY, DONE, FAILED
from weave_eval.cli.program import main
from weave_eval.warehouse.locks import load_lock

PROJECT = "acme/locked"
START = datetime(2026, 11, 20, 3, 17, tzinfo=timezone.utc)

At = Callable[..., int]


@pytest.fixture
def load_at(server: WeaveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> At:
    """Loads or verifies, a number of hours after the start."""
    server.bulk(PROJECT, rows=2)
    monkeypatch.chdir(tmp_path)
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)

    def run(hours: float, command: str = "load") -> int:
        monkeypatch.setattr("weave_eval.loading.busy_spell.utc_now", lambda: START + timedelta(hours=hours))
        return main([command, "--project", PROJECT])

    return run


@contextmanager
def held(folder: Path) -> Iterator[None]:
    with load_lock(folder / "weave_eval.duckdb.lock", "keeping it"):
        yield


def test_who_is_locked_out_for_hours_is_told(load_at: At, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with held(tmp_path):
        assert [load_at(hours) for hours in (0, 1, 2, 5.9)] == [BUSY] * 4
        assert "in a row" not in capsys.readouterr().err
        assert load_at(6, "verify") == FAILED
    said = capsys.readouterr().err
    assert "keeping it, since" in said
    assert "This was the case 5 times in a row, since 2026-11-20 03:17 UTC: see whether what holds the lock" in said
    assert load_at(7) == DONE
    with held(tmp_path):
        assert load_at(8) == BUSY


def test_two_days_of_daily_loads_are_not_yet_several(load_at: At, tmp_path: Path) -> None:
    with held(tmp_path):
        assert [load_at(hours) for hours in (0, 24, 48)] == [BUSY, BUSY, FAILED]


def test_a_record_that_is_garbage_or_from_the_future_counts_from_now(load_at: At, tmp_path: Path) -> None:
    with held(tmp_path):
        assert load_at(0) == BUSY
        (record,) = tmp_path.glob("*.busy")
        for garbage in ("{", '{"since": "2026-11-20T00:00:00", "times": 9}', '{"since": null, "times": "many"}'):
            record.write_text(garbage)
            assert load_at(7) == BUSY
        assert [load_at(hours) for hours in (-20, -19)] == [BUSY] * 2
        assert load_at(-14) == FAILED
