"""What only Postgres has: encodings, roles, locks that others hold, and poolers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from time import sleep
from typing import Any

import pytest

from tests.contract.place import Landing
from tests.loads import LiveRun
from tests.stand_ins.warehouse import Warehouse
from tests.weave_server.process import WeaveServer
from weave_eval import LoadOptions, load_project
from weave_eval.cli.exit_codes import BUSY, MISUSED
from weave_eval.cli.program import main
from weave_eval.errors import DestinationError
from weave_eval.loading import execution, records
from weave_eval.warehouse.project_lock import project_lock

PROJECT = "acme/postgres"
CREDENTIALS = "DESTINATION__POSTGRES__CREDENTIALS"


@pytest.fixture
def landing(
    postgres: Warehouse, server: WeaveServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Landing]:
    """An empty dataset, which the command line finds, as it finds the server."""
    for variable, value in {**postgres.environment, **server.environment()}.items():
        monkeypatch.setenv(variable, value)
    yield (made := Landing(server, PROJECT, tmp_path, postgres, postgres.new_dataset()))
    postgres.drop(made.dataset)


Said = tuple[int, str]


@pytest.fixture
def run(landing: Landing, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Runs a command on the project; gives the exit code and all that it said."""

    def run(command: str, *more: str) -> Said:
        where = ("--destination", "postgres", "--dataset", landing.dataset)
        code = main([command, "--project", PROJECT, *where, *more])
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


def test_texts_arrive_whatever_encoding_the_environment_names(
    landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    live = LiveRun.start(landing.server, PROJECT)
    live.add_trial({"question": "où?"}, "naïve ✓ 日本")
    live.finish()
    live.rename("Prüfung 日本")
    landing.load()
    tables = landing.tables()
    assert [trial["output"] for trial in tables["trials"]] == ["naïve ✓ 日本"]
    assert [row["inputs"] for row in tables["dataset_rows"]] == [{"question": "où?"}]
    assert [found["display_name"] for found in tables["evaluation_runs"]] == ["Prüfung 日本"]
    monkeypatch.delenv("PGCLIENTENCODING")
    assert landing.tables() == tables


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_in_another_encoding_is_refused(
    landing: Landing, monkeypatch: pytest.MonkeyPatch, run: Callable[..., Said], encoding: str
) -> None:
    database, postgres = f"in_{encoding.lower()}", landing.warehouse
    landing.server.bulk(PROJECT, rows=1)
    postgres.execute(f"CREATE DATABASE {database} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0")
    monkeypatch.setenv(CREDENTIALS, f"{postgres.environment[CREDENTIALS].rsplit('/', 1)[0]}/{database}")
    for command in ("check", "load", "verify"):
        code, said = run(command)
        assert code == MISUSED
        assert f"The Postgres database '{database}' has the encoding {encoding}, which cannot hold every text." in said
    postgres.execute(f"DROP DATABASE {database}")


CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'process % loading %'"
TIMEOUTS = ("idle_session_timeout", "idle_in_transaction_session_timeout")


def test_no_timeout_ends_the_lock(landing: Landing, run: Callable[..., Said]) -> None:
    landing.server.bulk(PROJECT, rows=1)
    for name in TIMEOUTS:
        landing.warehouse.execute(f"ALTER ROLE loader SET {name} = '500ms'")
    try:
        with project_lock(landing.profile, PROJECT):
            sleep(1.5)
            code, said = run("load")
    finally:
        for name in TIMEOUTS:
            landing.warehouse.execute(f"ALTER ROLE loader RESET {name}")
    assert code == BUSY
    assert f"loading {PROJECT}, since 20" in said


def test_a_lock_whose_connection_is_cut_is_taken_again(landing: Landing, monkeypatch: pytest.MonkeyPatch) -> None:
    landing.server.bulk(PROJECT, runs=2, rows=2)
    cuts = []
    write_records = records.write_records

    def cut(*_: object) -> None:
        cuts.append(landing.warehouse.rows(CUT))

    def write_and_cut(*arguments: Any) -> None:
        write_records(*arguments)
        cut()

    monkeypatch.setattr(execution, "write_records", write_and_cut)
    options = LoadOptions(pipelines_dir=str(landing.folder), progress=cut)
    result = load_project(landing.settings(package_runs=1), landing.profile, options)
    assert (result.status, result.report.runs_read) == ("loaded", 2)
    assert cuts == [[(True,)]] * 3
    assert [row["status"] for row in landing.tables()["syncs"]] == ["loaded"]


def test_a_load_ends_if_another_has_taken_its_lock(landing: Landing) -> None:
    landing.server.bulk(PROJECT, rows=2)
    with ExitStack() as other:

        def take(*_: object) -> None:
            landing.warehouse.execute(CUT)
            other.enter_context(project_lock(landing.profile, PROJECT, wait_seconds=10))

        options = LoadOptions(pipelines_dir=str(landing.folder), progress=take)
        with pytest.raises(DestinationError, match="was cut, and another load of it has begun \\(process "):
            load_project(landing.settings(), landing.profile, options)
    assert landing.tables().get("trials", []) == []
    assert landing.load().status == "loaded"
