"""A DuckDB file whose making was cut short, and files that are none."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from tests.loads import Place
from tests.weave_server.process import KEY, WeaveServer
from weave_eval.cli.exit_codes import DONE, FAILED
from weave_eval.cli.program import main

PROJECT = "acme/cut"


@pytest.fixture
def place(server: WeaveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    server.bulk(PROJECT, rows=2, trials=1, scorers=1)
    made = Place(server, PROJECT, tmp_path)
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(made.file))
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WF_TRACE_SERVER_URL", server.url)
    return made


def empty_database(file: Path) -> bytes:
    duckdb.connect(str(file)).close()
    content = file.read_bytes()
    file.unlink()
    return content


def load() -> int:
    return main(["load", "--project", PROJECT, "--destination", "duckdb"])


@pytest.mark.slow
@pytest.mark.parametrize("size", [0, 9, 4096, 8192, 12287])
def test_a_file_that_ends_within_its_headers_is_set_aside(
    place: Place, capsys: pytest.CaptureFixture[str], size: int
) -> None:
    """As `kill -9` at the moment of its making leaves it."""
    cut = empty_database(place.file)[:size]
    place.file.write_bytes(cut)
    assert load() == DONE
    assert (
        f"{place.file} was not a whole DuckDB file: the program that began to make it was stopped"
        in capsys.readouterr().err
    )
    assert Path(f"{place.file}.unfinished").read_bytes() == cut
    assert len(place.tables()["trials"]) == 2
    assert load() == DONE
    assert "was not a whole DuckDB file" not in capsys.readouterr().err


def test_headers_of_zeros_are_set_aside(place: Place) -> None:
    place.file.write_bytes(bytes(12288))
    assert load() == DONE
    assert len(place.tables()["trials"]) == 2


def test_an_empty_database_is_used(place: Place) -> None:
    place.file.write_bytes(empty_database(place.file))
    assert load() == DONE
    assert not Path(f"{place.file}.unfinished").exists()


@pytest.mark.parametrize("content", [b"name,score\nanna,3\n", b"x" * 20_000], ids=["a text", "a longer text"])
def test_a_file_of_somebody_else_stays(place: Place, capsys: pytest.CaptureFixture[str], content: bytes) -> None:
    place.file.write_bytes(content)
    assert load() == FAILED
    (line,) = capsys.readouterr().err.splitlines()
    assert str(place.file) in line
    assert place.file.read_bytes() == content


def test_a_file_with_a_log_stays(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """What the file lacks may be in the log."""
    cut = empty_database(place.file)[:5000]
    place.file.write_bytes(cut)
    Path(f"{place.file}.wal").write_bytes(b"log")
    assert load() == FAILED
    (line,) = capsys.readouterr().err.splitlines()
    assert str(place.file) in line
    assert place.file.read_bytes() == cut
