"""A sample of the faults in whole loads by the command line: exit codes, sentences, other projects, the next load.

Postgres meets every fault. What a load leaves is searched for the key, the warehouse's password and blocked inputs.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.contract.place import Landing, differences
from tests.evidence import Record
from tests.faults.canaries import KEY, PASSWORD, secrets_in, secrets_in_files, secrets_in_tables
from tests.faults.proxy import FaultyProxy, faulty_proxy
from tests.faults.scenario import BLOCKED, PLAIN, V2
from tests.faults.spoiling import FAULTS, Fault
from tests.loads import Place
from tests.stand_ins.warehouse import Warehouse
from tests.tables_of import OF_THE_LOAD, Tables, lasting
from weave_eval.cli.exit_codes import DONE, FAILED
from weave_eval.cli.program import main

FOR_EVER = 1_000_000
IN_DUCKDB = {
    "500": "page", "empty": "listing", "cut last line": "trial calls", "502 html": "page", "hang": "page",
    "reset amid": "feedback calls", "wrong gzip": "object listing", "garbage": "count", "refused": "named objects",
}  # fmt: skip
KINDS = (
    "listing", "count", "trial calls", "page", "object listing", "summary", "named objects", "feedback",
    "feedback calls", "feedback rows",
)  # fmt: skip
"""Those that a load of the project makes for itself; single objects are asked for in another project."""

IN_POSTGRES = {fault: KINDS[number % len(KINDS)] for number, fault in enumerate(FAULTS)}
QUICK = ("500", "refused")


def cases() -> list[Any]:
    """Each fault with the request that it spoils."""
    return [
        pytest.param(
            warehouse,
            (kind, FAULTS[fault]),
            marks=() if warehouse == "duckdb" and fault in QUICK else (pytest.mark.slow,),
            id=f"{warehouse} {kind} {fault}",
        )
        for warehouse, kinds in (("duckdb", IN_DUCKDB), ("postgres", IN_POSTGRES))
        for fault, kind in kinds.items()
    ]


@pytest.fixture
def landing(proxy: FaultyProxy, warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Landing:
    """An empty dataset that the command line finds, and a server that it finds behind the proxy."""
    made = Landing(proxy.server, PLAIN, tmp_path, warehouse, warehouse.new_dataset())
    ((variable, url),) = warehouse.environment.items()
    for name, value in {
        # A Postgres of the tests takes any password.
        variable: url.replace(":loader@", f":{quote(PASSWORD, safe='')}@"),
        "DLT_DATA_DIR": str(tmp_path / "dlt"),
        "WANDB_API_KEY": KEY,
        "WF_TRACE_SERVER_URL": proxy.url,
        "SOURCES__WEAVE_EVAL__PRIVACY": json.dumps(BLOCKED),
    }.items():
        monkeypatch.setenv(name, value)
    return made


@pytest.fixture(scope="module")
def whole(proxy: FaultyProxy, tmp_path_factory: pytest.TempPathFactory) -> Tables:
    """The tables that loads without faults make."""
    folder = tmp_path_factory.mktemp("whole")
    for project in (PLAIN, V2):
        Place(proxy.server, project, folder).load(privacy=BLOCKED)
    return lasting_of(Place(proxy.server, PLAIN, folder))


def lasting_of(place: Place) -> Tables:
    """The tables without what differs from load to load, and from base URL to base URL."""
    return lasting(place.tables(), without=OF_THE_LOAD | {"url"})


def load(landing: Landing) -> int:
    """A load of both projects."""
    where = ("--destination", landing.warehouse.name, "--dataset", landing.dataset)
    return main(["load", "--project", PLAIN, "--project", V2, *where])


def be_patient(monkeypatch: pytest.MonkeyPatch, fault: Fault, budget: int) -> None:
    """No more patience than the fault needs: whole loads are slow on a busy machine."""
    monkeypatch.setenv("SOURCES__WEAVE_EVAL__READ_TIMEOUT_SECONDS", "0.2" if fault.name == "hang" else "10")
    monkeypatch.setenv("SOURCES__WEAVE_EVAL__RETRY_BUDGET_SECONDS", str(budget))


@dataclass(frozen=True)
class Heard:
    """What commands print and log."""

    printed: pytest.CaptureFixture[str]
    logged: pytest.LogCaptureFixture

    def errors(self) -> str:
        return self.printed.readouterr().err

    def everything(self) -> str:
        return "".join(self.printed.readouterr()) + self.logged.text


@pytest.fixture
def heard(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Heard:
    caplog.set_level(logging.DEBUG)
    return Heard(capsys, caplog)


@dataclass(frozen=True)
class Bench:
    """The proxy, the place behind it, and what a place holds that met no fault."""

    proxy: FaultyProxy
    landing: Landing
    whole: Tables


@pytest.fixture
def bench(proxy: FaultyProxy, landing: Landing, whole: Tables) -> Bench:
    return Bench(proxy, landing, whole)


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize(("warehouse", "spoiled"), cases(), indirect=["warehouse"])
def test_a_fault_that_stays_and_then_passes(
    bench: Bench, heard: Heard, record: Record, monkeypatch: pytest.MonkeyPatch, spoiled: tuple[str, Fault]
) -> None:
    kind, fault = spoiled
    if not fault.is_harmless:
        be_patient(monkeypatch, fault, budget=1)
        fail(bench, heard, kind, fault)
    be_patient(monkeypatch, fault, budget=60)
    with bench.proxy.spoil(kind, fault, 2, PLAIN):
        assert load(bench.landing) == DONE
    assert bench.proxy.spoiled
    assert differences(lasting_of(bench.landing), bench.whole) == []
    assert leaks(bench.landing, heard.everything()) == set()
    name, mark = bench.landing.warehouse.name, "=" if fault.is_harmless else "!="
    record("loads under faults", f"{fault.name} of {kind}", column=name, mark=mark)
    record("secrets looked for, in vain, in loads under faults", "the key, the password, a blocked input", 3)


def fail(bench: Bench, heard: Heard, kind: str, fault: Fault) -> None:
    """A load whose one project meets the fault for ever: one sentence says so, and the other project is loaded."""
    with bench.proxy.spoil(kind, fault, FOR_EVER, PLAIN):
        assert load(bench.landing) == FAILED
    said = heard.errors()
    (sentence,) = [line for line in said.splitlines() if line.startswith("error:")]
    assert f"of {PLAIN} " in sentence
    assert "Traceback" not in said
    assert {row["project_id"] for row in bench.landing.tables()["evaluation_runs"]} == {V2}
    assert leaks(bench.landing, said) == set()


def leaks(landing: Landing, said: str) -> set[str]:
    """The secrets in the output and the log, in dlt's files and in the tables."""
    files, tables = secrets_in_files(landing.folder), secrets_in_tables(landing.warehouse, landing.dataset)
    return secrets_in(said).union(*files.values(), *tables.values())


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize("warehouse", ["duckdb"], indirect=True)
def test_a_server_that_cannot_be_reached(
    landing: Landing, whole: Tables, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with faulty_proxy(landing.server) as other:
        port = int(other.url.rsplit(":", 1)[1])
    monkeypatch.setenv("WF_TRACE_SERVER_URL", other.url)
    monkeypatch.setenv("SOURCES__WEAVE_EVAL__RETRY_BUDGET_SECONDS", "1")
    assert load(landing) == FAILED
    assert capsys.readouterr().err.count("cannot be reached (ConnectionRefusedError)") == 2
    with faulty_proxy(landing.server, port):
        assert load(landing) == DONE
    assert differences(lasting_of(landing), whole) == []
