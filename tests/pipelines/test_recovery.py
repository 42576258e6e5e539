"""What the documentation says to do when something went wrong does repair it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.place import Landing, Reference, comparable, differences
from tests.pipelines.command import working_files
from tests.stand_ins.warehouse import Warehouse
from tests.weave_server.process import WeaveServer
from weave_eval.cli.program import main

pytestmark = pytest.mark.slow

PROJECT = "acme/support-bot"
PROFILES = """
[duckdb]
type = "duckdb"

[postgres]
type = "postgres"
"""


@pytest.fixture(params=["duckdb", "postgres"])
def landing(
    request: pytest.FixtureRequest, server: WeaveServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Landing]:
    """A dataset with a project of two runs loaded into it, as the environment says."""
    warehouse: Warehouse = request.getfixturevalue(request.param)
    (tmp_path / "destinations.toml").write_text(PROFILES, encoding="utf-8")
    server.bulk(PROJECT, runs=2, rows=5)
    own = {"PROJECT": PROJECT, "DEFAULT_DESTINATION": warehouse.name}
    settings = {f"SOURCES__WEAVE_EVAL__{name}": value for name, value in own.items()}
    for variable, value in {**warehouse.environment, **server.environment(), **settings}.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.chdir(tmp_path)
    made = Landing(server, PROJECT, tmp_path, warehouse, warehouse.new_dataset())
    do(made, "load")
    yield made
    warehouse.drop(made.dataset)


def do(landing: Landing, *arguments: str) -> None:
    assert main([*arguments, "--dataset", landing.dataset]) == 0, arguments


def assert_whole(landing: Landing) -> None:
    """The dataset is as one that was loaded for the first time."""
    (folder := landing.folder / "first").mkdir()
    first = Reference(landing.server, PROJECT, folder)
    first.load()
    assert differences(comparable(landing), comparable(first)) == []


def count(landing: Landing, condition: str = "true") -> int:
    table = landing.warehouse.table(landing.dataset, "trials")
    ((found,),) = landing.warehouse.rows(f"SELECT count(*) FROM {table} WHERE {condition}")
    return int(found)


def views(landing: Landing) -> set[str]:
    listed = f"SELECT table_name FROM information_schema.views WHERE table_schema = '{landing.dataset}'"
    return {name for (name,) in landing.warehouse.rows(listed)}


def test_a_dropped_table_comes_back_with_a_full_load(landing: Landing) -> None:
    """And so do the views of it, which Postgres drops with it."""
    before = views(landing)
    landing.warehouse.execute(f"DROP TABLE {landing.warehouse.table(landing.dataset, 'trials')} CASCADE")
    do(landing, "load", "--full")
    assert views(landing) == before
    assert_whole(landing)


def test_a_dropped_dataset_comes_back_with_a_load(landing: Landing) -> None:
    landing.warehouse.drop(landing.dataset)
    do(landing, "load")
    assert_whole(landing)


def test_deleted_rows_come_back_with_verify(landing: Landing) -> None:
    landing.warehouse.execute(f"DELETE FROM {landing.warehouse.table(landing.dataset, 'trials')}")
    do(landing, "verify")
    assert_whole(landing)


def test_without_the_working_files_a_load_reads_what_is_new_and_nothing_else(landing: Landing) -> None:
    """Thrown away, or on another machine."""
    shutil.rmtree(working_files())
    landing.server.clear_requests()
    do(landing, "load")
    assert landing.server.requests("eval_results") == []
    landing.server.bulk(PROJECT, rows=3, start="2026-02-01T00:00:00+00:00", name="late")
    do(landing, "load")
    assert count(landing) == 13
    assert_whole(landing)


def test_privacy_that_was_changed_holds_for_everything_after_a_full_load(
    landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert count(landing, "output IS NOT NULL") == 10
    monkeypatch.setenv("SOURCES__WEAVE_EVAL__PRIVACY", '["drop trials.output"]')
    do(landing, "load")
    assert count(landing, "output IS NOT NULL") == 10
    do(landing, "load", "--full")
    assert (count(landing), count(landing, "output IS NOT NULL")) == (10, 0)


def test_another_dataset_starts_from_the_beginning(landing: Landing) -> None:
    other = Landing(landing.server, PROJECT, landing.folder, landing.warehouse, landing.warehouse.new_dataset())
    do(other, "load")
    assert_whole(other)
    landing.warehouse.drop(other.dataset)


def test_a_range_is_read_again(landing: Landing) -> None:
    landing.server.clear_requests()
    do(landing, "load", "--since", "2025-12-31", "--until", "2026-01-01T00:00:30")
    assert {len(entry["body"]["evaluation_call_ids"]) for entry in landing.server.requests("eval_results")} == {1}
    assert_whole(landing)


def test_a_key_that_was_changed(landing: Landing, monkeypatch: pytest.MonkeyPatch) -> None:
    landing.server.configure(key="the-new-key")
    assert main(["check", "--dataset", landing.dataset]) == 1
    monkeypatch.setenv("WANDB_API_KEY", "the-new-key")
    do(landing, "check")
    do(landing, "load")
