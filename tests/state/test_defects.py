"""A defect of our own code is called one: nobody should try again and hope."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.loads import Place
from tests.weave_server.process import WeaveServer
from weave_eval.cli.exit_codes import FAILED
from weave_eval.cli.program import main
from weave_eval.errors import DefectError, DestinationError


@pytest.fixture
def place(server: WeaveServer, tmp_path: Path) -> Place:
    server.bulk("acme/defect", rows=2, trials=1, scorers=1)
    return Place(server, "acme/defect", tmp_path)


def fail(*_: object, **__: object) -> None:
    raise TypeError("unhashable type: 'dict'")


def test_a_type_error_while_reading_is_a_defect(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("weave_eval.loading.planning.decide", fail)
        with pytest.raises(DefectError) as raised:
            place.load()
    said = str(raised.value)
    assert "A defect of weave_eval ended the load (TypeError in test_defects.py, line " in said
    assert "unhashable" not in said  # it may quote what privacy keeps back
    assert "report this line" in said
    assert not isinstance(raised.value, DestinationError)
    (sync,) = place.tables()["syncs"]
    assert (sync["status"], sync["error"]) == ("failed", said)
    assert place.load().status == "loaded"


def test_it_is_a_line_for_the_user(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("weave_eval.loading.planning.decide", fail)
    for name, value in place.server.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(place.file))
    assert main(["load", "--project", place.project, "--destination", "duckdb"]) == FAILED
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: A defect of weave_eval ended the load")
