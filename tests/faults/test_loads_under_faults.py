"""A sample of the faults in whole loads by the command line: exit codes, sentences, other projects, the next load."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.proxy import FaultyProxy, faulty_proxy
from tests.faults.scenario import PLAIN, V2
from tests.faults.spoiling import FAULTS
from tests.loading import Place
from tests.tables_of import OF_THE_LOAD, Tables, lasting
from tests.weave_server.process import KEY
from weave_eval.cli import DONE, FAILED, main

FOR_EVER = 1_000_000
SAMPLE = [
    pytest.param(("page", "500"), id="page 500"),
    *(
        pytest.param((kind, fault), marks=pytest.mark.slow, id=f"{kind} {fault}")
        for kind, fault in (
            ("listing", "empty"),
            ("trial calls", "cut last line"),
            ("page", "502 html"),
            ("page", "hang"),
            ("feedback calls", "reset amid"),
            ("object listing", "wrong gzip"),
            ("count", "garbage"),
        )
    ),
]


@pytest.fixture
def place(proxy: FaultyProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """An empty place that the command line finds, and a server that it finds behind the proxy."""
    made = Place(proxy.server, PLAIN, tmp_path)
    for name, value in {
        "DESTINATION__DUCKDB__CREDENTIALS": str(made.file),
        "WANDB_API_KEY": KEY,
        "WF_TRACE_SERVER_URL": proxy.url,
        "SOURCES__WEAVE_EVAL__READ_TIMEOUT_SECONDS": "0.2",
        "SOURCES__WEAVE_EVAL__RETRY_BUDGET_SECONDS": "1",
    }.items():
        monkeypatch.setenv(name, value)
    return made


@pytest.fixture(scope="module")
def whole(proxy: FaultyProxy, tmp_path_factory: pytest.TempPathFactory) -> Tables:
    """The tables that loads without faults make."""
    folder = tmp_path_factory.mktemp("whole")
    for project in (PLAIN, V2):
        Place(proxy.server, project, folder).load()
    return lasting_of(Place(proxy.server, PLAIN, folder))


def lasting_of(place: Place) -> Tables:
    """The tables without what differs from load to load, and from base URL to base URL."""
    return lasting(place.tables(), without=OF_THE_LOAD | {"url"})


def load() -> int:
    return main(["load", "--project", PLAIN, "--project", V2, "--destination", "duckdb", "--dataset", "weave"])


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize("spoiled", SAMPLE)
def test_a_fault_that_stays_and_then_passes(
    proxy: FaultyProxy, place: Place, whole: Tables, capsys: pytest.CaptureFixture[str], spoiled: tuple[str, str]
) -> None:
    kind, fault = spoiled
    with proxy.spoil(kind, FAULTS[fault], FOR_EVER, PLAIN):
        assert load() == FAILED
    said = capsys.readouterr().err
    (sentence,) = [line for line in said.splitlines() if line.startswith("error:")]
    assert f"of {PLAIN} " in sentence
    assert "Traceback" not in said
    assert {row["project_id"] for row in place.tables()["evaluation_runs"]} == {V2}
    with proxy.spoil(kind, FAULTS[fault], 2, PLAIN):
        assert load() == DONE
    assert lasting_of(place) == whole


@pytest.mark.usefixtures("_at_once")
def test_a_server_that_cannot_be_reached(
    place: Place, whole: Tables, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with faulty_proxy(place.server) as other:
        port = int(other.url.rsplit(":", 1)[1])
    monkeypatch.setenv("WF_TRACE_SERVER_URL", other.url)
    assert load() == FAILED
    assert capsys.readouterr().err.count("cannot be reached (ConnectionRefusedError)") == 2
    for _ in restarted(place, port):
        assert load() == DONE
    found = lasting_of(place)
    assert {name: len(rows) for name, rows in found.items()} == {name: len(rows) for name, rows in whole.items()}


def restarted(place: Place, port: int) -> Iterator[FaultyProxy]:
    """The proxy, back at its port."""
    with faulty_proxy(place.server, port) as proxy:
        yield proxy
