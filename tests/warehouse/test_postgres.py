"""What only Postgres has: encodings, roles, locks that others hold, and poolers."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from time import sleep
from typing import Any

import pytest
from dlt.common.libs.sql_alchemy_shims import make_url
from dlt.common.schema.utils import new_table
from dlt.destinations.exceptions import DatabaseTransientException

from tests.contract.conftest import found_landing
from tests.contract.place import Landing
from tests.documentation import DOCS, blocks
from tests.loads import LiveRun
from tests.processes import wait_for
from tests.stand_ins.pooler import pooling
from tests.stand_ins.warehouse import Warehouse
from tests.weave_server.process import WeaveServer
from weave_eval import LoadOptions, load_project
from weave_eval.cli.exit_codes import BUSY, DONE, FAILED, MISUSED
from weave_eval.cli.program import main
from weave_eval.errors import DestinationError
from weave_eval.loading import execution, records
from weave_eval.schema import dlt_schema
from weave_eval.warehouse.connection import job_client
from weave_eval.warehouse.project_lock import project_lock

PROJECT = "acme/postgres"
CREDENTIALS = "DESTINATION__POSTGRES__CREDENTIALS"


@pytest.fixture
def landing(
    postgres: Warehouse, server: WeaveServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Landing]:
    """An empty dataset, which the command line finds, as it finds the server."""
    yield from found_landing(postgres, server, tmp_path, monkeypatch, PROJECT)


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


def test_the_lock_holds_behind_a_pooler(
    landing: Landing, monkeypatch: pytest.MonkeyPatch, run: Callable[..., Said]
) -> None:
    landing.server.bulk(PROJECT, rows=2)
    url = make_url(landing.warehouse.environment[CREDENTIALS])
    with pooling((str(url.host), url.port or 5432), str(url.username), str(url.database)) as pooler:
        monkeypatch.setenv(CREDENTIALS, str(url.set(port=pooler.port)))
        with project_lock(landing.profile, PROJECT):
            code, said = run("load")
        assert code == BUSY, said
        assert run("load")[0] == DONE
        assert len(landing.tables()["trials"]) == 2


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


def as_role(landing: Landing, role: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Has commands come as another role."""
    url = landing.warehouse.environment[CREDENTIALS]
    monkeypatch.setenv(CREDENTIALS, re.sub("//[^@]*@", f"//{role}:{role}@", url))


def test_roles_with_the_least_grants(
    landing: Landing, monkeypatch: pytest.MonkeyPatch, run: Callable[..., Said]
) -> None:
    landing.server.bulk(PROJECT, rows=3)
    owner, dataset = landing.warehouse, landing.dataset
    loader, reader = f"l_{dataset}", f"r_{dataset}"
    for role in (loader, reader):
        owner.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{role}'")
    owner.execute(f"CREATE SCHEMA {dataset} AUTHORIZATION {loader}")
    as_role(landing, loader, monkeypatch)
    staging = ""
    for command in ("check", "load"):
        code, said = run(command)
        assert code == FAILED
        refused = re.search(r"may not make the schema \"(\w+)\", which loads need", said)
        assert refused, said
        staging = refused[1]
        assert staging.startswith(f"{dataset}_staging_acme_postgres_")
    owner.execute(f"CREATE SCHEMA {staging} AUTHORIZATION {loader}")
    assert [run(command)[0] for command in ("check", "load", "verify")] == [DONE] * 3

    as_role(landing, reader, monkeypatch)
    assert run_status(landing) == FAILED
    (grants,) = blocks("sql", DOCS / "warehouses.md")
    names = {"weave": dataset, "reader": reader, "loader": loader}
    owner.execute(re.sub(r"\b(weave|reader|loader)\b", lambda name: names[name.group()], grants))
    assert run_status(landing) == DONE
    assert run("check")[0] == FAILED
    owner.execute(f"DROP SCHEMA {dataset} CASCADE")
    owner.execute(f"DROP SCHEMA {staging} CASCADE")
    for role in (loader, reader):
        owner.execute(f"DROP ROLE {role}")


def run_status(landing: Landing) -> int:
    return main(["status", "--destination", "postgres", "--dataset", landing.dataset])


def test_a_column_does_not_wait_for_a_reader_without_end(landing: Landing) -> None:
    landing.server.bulk(PROJECT, rows=1)
    landing.load()
    schema = dlt_schema()
    schema.update_table(new_table("trials", columns=[{"name": "later", "data_type": "text", "nullable": True}]))
    stored = schema.from_dict(schema.to_dict())  # type: ignore[arg-type]  # dlt's own form of itself
    trials = landing.warehouse.table(landing.dataset, "trials")
    with job_client(landing.profile) as reader, job_client(landing.profile, stored) as client:
        with reader.sql_client.begin_transaction():
            reader.sql_client.execute_sql(f"SELECT count(*) FROM {trials}")
            with pytest.raises(DatabaseTransientException, match="lock timeout"):
                client.update_stored_schema(["trials"])
        client.update_stored_schema(["trials"])
    assert "later" in landing.warehouse.columns(landing.dataset, "trials")


ASKING = """
from threading import Thread
from sqlalchemy import text
from weave_eval.warehouse.connection import job_client
from weave_eval.warehouse.engine import reading
from weave_eval.warehouse.profiles import profile

def ask():
    with reading(profile("postgres")) as connection:
        connection.execute(text("SELECT 'asked', pg_sleep(600)"))

Thread(target=ask, daemon=True).start()
with job_client(profile("postgres")) as client:
    client.sql_client.execute_sql("SELECT 'asked', pg_sleep(600)")
"""


def test_queries_end_with_the_process_that_asked_them(landing: Landing) -> None:
    declared = landing.folder / "destinations.toml"
    declared.write_text('[postgres]\ntype = "postgres"\n')

    def count() -> int:
        query = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT ''asked''%' AND state = 'active'"
        ((found,),) = landing.warehouse.rows(query)
        return int(found)

    with subprocess.Popen([sys.executable, "-c", ASKING], cwd=landing.folder) as asking:
        wait_for(lambda: count() == 2)
        asking.kill()
    wait_for(lambda: count() == 0, seconds=30)
