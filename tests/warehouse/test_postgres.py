"""What only Postgres has: encodings, roles, locks that others hold, and poolers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.contract.place import Landing
from tests.loads import LiveRun
from tests.stand_ins.warehouse import Warehouse
from tests.weave_server.process import WeaveServer
from weave_eval.cli.exit_codes import MISUSED
from weave_eval.cli.program import main

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
