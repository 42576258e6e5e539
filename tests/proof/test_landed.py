"""What landed, counted in real warehouses, and proven against the server that the rows came from."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, MetaData, Table, create_engine, delete, insert, select, update
from sqlalchemy.schema import CreateSchema

from tests.loads import Place
from tests.stand_ins.warehouse import Warehouse
from tests.weave_server.fixtures import PROJECT, Project, Snapshot
from tests.weave_server.process import WeaveServer
from weave_eval.proof.landed import landed
from weave_eval.proof.reconcile import ApiFacts, Landed, Leaf, Reconciliation, reconcile
from weave_eval.tables import TABLES_BY_NAME
from weave_eval.warehouse.metadata import sql_tables
from weave_eval.warehouse.profiles import Profile
from weave_eval.warehouse.registry import warehouse_of
from weave_eval.warehouse.table_reader import TableReader, table_reader
from weave_eval.weave.pages import parse_page

DATASET = "weave"
OURS = {"project_id": PROJECT}
SCORES: list[tuple[str, str, str, str, Any]] = [
    ("run-1", "judge", "passed", "binary", True),
    ("run-1", "judge", "passed", "binary", True),
    ("run-1", "judge", "passed", "binary", False),
    ("run-1", "judge", "passed", "continuous", 0.25),
    ("run-1", "judge", "passed", "continuous", -2.5),
    ("run-1", "judge", "passed", "text", "fair"),
    ("run-1", "judge", "passed", "null", None),
    ("run-1", "judge", r"a\.b", "continuous", 1e300),
    ("run-1", "judge", r"a\.b", "continuous", -1.7e308),
    ("run-1", "judge", r"a\.b", "continuous", None),
    ("run-1", "judge", r"a\.b", "continuous", 8.0),
    ("run-1", "exact", "", "json", None),
    ("run-2", "judge", "passed", "binary", False),
]
VALUES = {"binary": "value_bool", "continuous": "value_number", "text": "value_text"}


@pytest.fixture
def reader(warehouse: Warehouse) -> Iterator[TableReader]:
    """A reader of a dataset in each warehouse, with rows, trials and scores of two runs."""
    engine = create_engine(warehouse.sqlalchemy_url, connect_args=dict(warehouse.sqlalchemy_arguments))
    dataset = warehouse.new_dataset()
    tables = {
        name: without_json(sql_tables(dataset, warehouse_of(warehouse.name))[name])
        for name in ("result_rows", "trials", "scores")
    }
    with engine.connect() as opened:
        opened.execute(CreateSchema(dataset))
        for table in tables.values():
            table.create(opened)
        rows = [("run-1", "x"), ("run-1", "y"), ("run-1", "z"), ("run-2", "x")]
        opened.execute(insert(tables["result_rows"]), [{**OURS, "run_id": run, "row_digest": row} for run, row in rows])
        trials = [("run-1", "x"), ("run-1", "x"), ("run-1", "y"), ("run-2", "x"), ("run-2", "x")]
        opened.execute(insert(tables["trials"]), [{**OURS, "run_id": run, "row_digest": row} for run, row in trials])
        opened.execute(insert(tables["scores"]), [OURS | score(*each) for each in SCORES])
        opened.commit()
    engine.dispose()
    with table_reader(Profile(warehouse.name, warehouse.name, dataset, {})) as opened_again:
        yield opened_again
    warehouse.drop(dataset)


def without_json(table: Table) -> Table:
    """The table as every dialect can create it."""
    kinds = {column.name: column.type for column in TABLES_BY_NAME[table.name].columns}
    columns = (Column(column.name, column.type) for column in table.columns if kinds[column.name] != "json")
    return Table(table.name, MetaData(schema=table.schema), *columns)


def score(run_id: str, scorer: str, path: str, value_type: str, value: Any) -> dict[str, Any]:
    values = dict.fromkeys(VALUES.values()) | ({VALUES[value_type]: value} if value_type in VALUES else {})
    return {"run_id": run_id, "scorer_name": scorer, "path": path, "value_type": value_type, **values}


def test_counts_and_aggregates(reader: TableReader) -> None:
    found = landed(reader, PROJECT, ["run-2", "run-1", "no-such-run", "run-1"])
    assert {run: (each.row_count, each.trial_count, each.trial_row_count) for run, each in found.items()} == {
        "run-1": (3, 3, 2),
        "run-2": (1, 2, 1),
        "no-such-run": (0, 0, 0),
    }
    assert {(leaf.scorer_name, leaf.path): leaf for leaf in found["run-1"].leaves} == {
        ("judge", "passed"): Leaf(
            "judge",
            "passed",
            binary_count=3,
            true_count=2,
            number_count=2,
            number_sum=-2.25,
            number_magnitude=2.75,
            text_count=1,
            null_count=1,
        ),
        ("judge", r"a\.b"): Leaf(
            "judge", r"a\.b", number_count=4, number_sum=8.0, number_magnitude=8.0, unsummed_count=3
        ),
        ("exact", ""): Leaf("exact", ""),
    }
    assert found["run-2"].leaves == [Leaf("judge", "passed", binary_count=1)]
    assert found["no-such-run"] == Landed("no-such-run", 0, 0, 0, [])


def test_numbers_are_plain_whatever_the_driver_gives(reader: TableReader) -> None:
    found = landed(reader, PROJECT, ["run-1"])["run-1"]
    numbers = [value for leaf in found.leaves for value in dataclasses.astuple(leaf)[2:]]
    assert {type(value) for value in [found.row_count, found.trial_count, found.trial_row_count]} == {int}
    assert {type(value) for value in numbers} == {int, float}
    json.dumps(numbers)


def test_more_runs_than_one_query_takes(reader: TableReader) -> None:
    many = [f"other-{index}" for index in range(1200)]
    found = landed(reader, PROJECT, [*many[:600], "run-1", *many[600:], "run-2"])
    assert (len(found), found["run-1"].trial_count, found["run-2"].trial_count) == (1202, 3, 2)
    assert landed(reader, PROJECT, []) == {}


@pytest.fixture(scope="module")
def sdk_file(weave_server: WeaveServer, sdk_snapshot: Snapshot, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The SDK's project in a DuckDB file."""
    weave_server.load(sdk_snapshot.path)
    place = Place(weave_server, PROJECT, tmp_path_factory.mktemp("sdk"))
    place.load()
    return place.file


@pytest.fixture
def loaded(sdk_project: Project, sdk_file: Path, tmp_path: Path) -> Place:
    """The SDK's project, in a DuckDB file that a test may change."""
    place = Place(sdk_project.server, sdk_project.name, tmp_path)
    shutil.copy(sdk_file, place.file)
    return place


def api_facts(place: Place, run_id: str) -> ApiFacts:
    """What the server says, asked for directly."""
    body = {"evaluation_run_ids": [run_id], "include_summary": True}
    answer = place.server.api("POST", f"/v2/{place.project}/eval_results/query", body)
    page = parse_page(answer.content)
    assert page.summary
    run = next(iter(page.summary.evaluations), None)
    return ApiFacts(run_id, page.total_rows, run.trial_count if run else None, run.scorer_stats if run else ())


def reconciled(place: Place) -> dict[str, Reconciliation]:
    with table_reader(place.profile) as reader:
        run_ids = [run_id for (run_id,) in reader.rows("SELECT run_id FROM {evaluation_runs}")]
        found = landed(reader, place.project, run_ids)
    return {run_id: reconcile(api_facts(place, run_id), found[run_id]) for run_id in run_ids}


def test_every_run_of_the_sdk_reconciles(loaded: Place, sdk_project: Project) -> None:
    found = reconciled(loaded)
    assert {run_id: each.differences for run_id, each in found.items() if not each.is_reconciled} == {}
    assert {run_id for run_id, each in found.items() if each.differences} == set()
    names = {run_id: name for name, run_id in sdk_project.ids.items()}
    checked = {names[run_id]: (each.trial_count, each.stats_checked) for run_id, each in found.items()}
    assert len(checked) == 15
    assert checked["class_model"] == (8, 5)
    assert checked["function_model"] == (4, 10)
    assert checked["logger_empty"] == (0, 0)


def test_a_bulk_of_runs_reconciles(server: WeaveServer, tmp_path: Path) -> None:
    ids = server.bulk("acme/bulk", runs=3, rows=40, trials=3, scorers=4)
    place = Place(server, "acme/bulk", tmp_path)
    place.load()
    found = reconciled(place)
    assert {run_id: (each.trial_count, each.differences) for run_id, each in found.items()} == dict.fromkeys(
        ids, (120, [])
    )


def test_what_privacy_hides_is_in_no_file_and_every_run_reconciles(sdk_project: Project, tmp_path: Path) -> None:
    place = Place(sdk_project.server, sdk_project.name, tmp_path)
    place.load(privacy=["preset no-content"])
    assert {run_id for run_id, each in reconciled(place).items() if not each.is_reconciled} == set()
    files = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    tables = str(place.tables())
    for blocked in ("Capital of", "N'Djamena", "no atlas page", "scorer divides by zero", "judge quota", "fair: "):
        assert blocked not in tables
        assert blocked.encode() not in files
    assert "class_model-evaluation" in tables


@pytest.mark.parametrize(
    ("table", "damage"),
    [
        ("result_rows", None),
        ("trials", None),
        ("scores", None),
        ("scores", {"value_number": 0.75, "value_type": "continuous"}),
    ],
)
def test_what_is_lost_or_changed_later_is_found(loaded: Place, table: str, damage: dict[str, Any] | None) -> None:
    """Of one run, one row of a table is lost or changed."""
    target = sql_tables(DATASET, warehouse_of("duckdb"))[table]
    key = target.c[{"result_rows": "result_row_id", "trials": "trial_id", "scores": "score_id"}[table]]
    engine = create_engine(f"duckdb:///{loaded.file}")
    with engine.begin() as connection:
        wanted = select(key, target.c.run_id).limit(1)
        wanted = wanted.where(target.c.value_type == "binary") if table == "scores" else wanted
        row_id, run_id = connection.execute(wanted).one()
        where = key == row_id
        connection.execute(update(target).where(where).values(damage) if damage else delete(target).where(where))
    engine.dispose()
    assert [found for found, each in reconciled(loaded).items() if not each.is_reconciled] == [run_id]
