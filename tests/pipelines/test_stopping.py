"""A load that is told to stop, at any moment: it ends within seconds, and the next one completes it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.checkout import CHECKOUT
from tests.contract.place import Landing, Reference, comparable, differences
from tests.pipelines.command import run, start, stop, working_files
from tests.processes import wait_for
from tests.stand_ins.warehouse import Warehouse
from tests.weave_server.process import WeaveServer
from weave_eval.cli.interruption import GRACE_SECONDS
from weave_eval.loading.pipelines import lock_path
from weave_eval.warehouse.locks import load_lock

PROJECT = "acme/support-bot"
SAID = {
    signal.SIGTERM: (143, "terminated: what was loaded is kept, and the next load continues from there.\n"),
    signal.SIGINT: (130, "interrupted: what was loaded is kept, and the next load continues from there.\n"),
}
MOMENTS = {
    "normalizing": "*/*/load/new/*",
    "loading": "*/*/load/normalized/*/started_jobs/*",
    "proving": "*/*/load/loaded/*",
}
"""What dlt's working folder holds from that moment on."""


@pytest.fixture(params=["duckdb", "postgres"])
def landing(
    request: pytest.FixtureRequest, server: WeaveServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Landing]:
    """An empty dataset, and a project of four runs to load into it; the environment leads to both."""
    warehouse: Warehouse = request.getfixturevalue(request.param)
    for variable, value in {**warehouse.environment, **server.environment()}.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.chdir(tmp_path)
    shutil.copy(CHECKOUT / "destinations.toml", tmp_path)
    server.bulk(PROJECT, runs=4, rows=60, trials=2)
    yield (made := Landing(server, PROJECT, tmp_path, warehouse, warehouse.new_dataset()))
    warehouse.drop(made.dataset)


def arguments(landing: Landing) -> list[str]:
    return [
        "load",
        "--quiet",
        "--project",
        PROJECT,
        "--destination",
        landing.warehouse.name,
        "--dataset",
        landing.dataset,
    ]


def assert_stopped(landing: Landing, process: subprocess.Popen[str], number: signal.Signals) -> None:
    code, out, err, seconds = stop(process, number)
    assert (code, out, err) == (SAID[number][0], "", SAID[number][1])
    assert seconds < GRACE_SECONDS + 3
    with load_lock(lock_path(landing.profile.location(), PROJECT), "testing"):
        pass


def assert_completed(landing: Landing) -> None:
    """The next load says nothing and leaves what an undisturbed one does."""
    assert run(*arguments(landing)) == (0, "", "")
    (folder := landing.folder / "undisturbed").mkdir()
    undisturbed = Reference(landing.server, PROJECT, folder)
    undisturbed.load()
    assert differences(comparable(landing), comparable(undisturbed)) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("moment", "number"),
    [("normalizing", signal.SIGTERM), ("loading", signal.SIGINT), ("proving", signal.SIGTERM)],
)
def test_a_load_that_is_stopped_is_completed_by_the_next(landing: Landing, moment: str, number: signal.Signals) -> None:
    process = start(*arguments(landing))
    wait_for(lambda: any(working_files().glob(MOMENTS[moment])) or process.poll() is not None)
    assert_stopped(landing, process, number)
    assert_completed(landing)


@pytest.mark.parametrize("landing", ["postgres"], indirect=True)
def test_a_lock_in_the_warehouse_holds_no_one_up(landing: Landing) -> None:
    """A load that waits for a table which somebody else has locked: neither dlt nor the driver would look up."""
    assert run(*arguments(landing))[0] == 0
    landing.server.bulk(PROJECT, rows=7, start="2026-02-01T00:00:00+00:00", name="late")
    engine = sa.create_engine(landing.warehouse.sqlalchemy_url)
    with engine.connect() as connection:
        connection.execute(sa.text(f'LOCK TABLE "{landing.dataset}".trials IN ACCESS EXCLUSIVE MODE'))
        process = start(*arguments(landing))
        waiting = sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")
        with engine.connect() as observer:
            wait_for(lambda: observer.scalar(waiting))
        assert_stopped(landing, process, signal.SIGTERM)
    engine.dispose()
    assert_completed(landing)


@pytest.mark.slow
@pytest.mark.parametrize("landing", ["postgres"], indirect=True)
def test_a_stopped_load_goes_on_without_the_working_files(landing: Landing, monkeypatch: pytest.MonkeyPatch) -> None:
    """On another machine, or where a stuck package was thrown away."""
    process = start(*arguments(landing))
    wait_for(lambda: any(working_files().glob(MOMENTS["loading"])))
    assert_stopped(landing, process, signal.SIGTERM)
    monkeypatch.setenv("DLT_DATA_DIR", str(landing.folder / "elsewhere"))
    assert_completed(landing)


@pytest.mark.parametrize("landing", ["duckdb"], indirect=True)
def test_what_an_interruption_says_is_json_too(landing: Landing) -> None:
    landing.server.add_faults({"kind": "slow", "delay": 20, "match": "eval_results"})
    process = start("load", "--json", *arguments(landing)[2:])
    wait_for(lambda: landing.server.requests("eval_results"))
    code, out, err, seconds = stop(process, signal.SIGINT)
    assert (code, out, json.loads(err)["level"]) == (130, "", "error")
    assert seconds < GRACE_SECONDS
    assert not os.path.lexists(landing.folder / "warehouse.duckdb.holder")


MANGLED = """
import os, signal, time
from weave_eval.cli.interruption import interruptions

with interruptions():
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
    finally:
        raise RuntimeError("a context was mangled")
"""


def test_a_signal_that_an_error_is_raised_for_is_still_one() -> None:
    done = subprocess.run([sys.executable, "-c", MANGLED], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == SAID[signal.SIGTERM]
