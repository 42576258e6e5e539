"""Whatever is lost or garbage between two loads: the second one leaves the tables of a first load elsewhere."""

from __future__ import annotations

import json
import shutil
from typing import Any

import dlt
import pytest
from dlt.common.schema import Schema

from tests.evidence import Record
from tests.loads import days_ago
from tests.state.cases import CASES, lost_column, lost_dataset, lost_tables, put
from tests.state.world import PROJECT, World
from weave_eval.cli.exit_codes import DONE, FAILED

pytestmark = pytest.mark.slow

OTHER = "acme/other"


@pytest.mark.parametrize("case", CASES)
def test_the_next_load_makes_it_whole(world: World, record: Record, case: str) -> None:
    CASES[case](world)
    assert world.command("load") == DONE, world.said
    assert world.differences() == []
    record("state cases", case.partition(":")[0], column=world.landing.warehouse.name)


@pytest.mark.parametrize("case", ["lost: trials", "lost: trials, new machine", "folder: state is ahead"])
def test_once_it_is_whole_nothing_is_read_again(world: World, case: str) -> None:
    CASES[case](world)
    assert world.command("load") == DONE
    world.landing.server.clear_requests()
    assert world.command("load") == DONE
    assert world.landing.server.requests("eval_results") == []
    assert world.differences() == []


def test_what_was_lost_is_named(world: World) -> None:
    lost_tables("trials", "scores")(world)
    assert world.command("load", "--dry-run") == DONE
    assert "runs_to_read=2" in world.said
    assert world.command("load") == DONE
    assert f"The dataset {world.landing.dataset} lacked scores, trials, which it once had: every run is" in world.said


def test_a_state_that_is_garbage_is_named(world: World) -> None:
    put("_state_engine_version", 99)(world)
    assert world.command("load") == DONE
    assert "The state that the last load left in the warehouse cannot be used: every run is read again." in world.said


@pytest.mark.parametrize("words", [("verify",), ("load", "--full"), ("load", "--since", "2020-01-01")])
def test_other_commands_find_a_lost_table_too(world: World, words: tuple[str, ...]) -> None:
    lost_tables("trials")(world)
    assert world.command(*words) == DONE, world.said
    assert world.differences() == []


def test_a_range_that_fails_after_a_table_was_lost_does_not_hide_the_loss(world: World) -> None:
    lost_tables("trials")(world)
    with world.landing.server.faulty({"kind": "403", "match": "eval_results", "times": 100}):
        assert world.command("load", "--since", "2020-01-01") == FAILED
    assert world.command("load") == DONE
    assert world.differences() == []


def test_projects_that_share_a_lost_table_all_read_again(world: World) -> None:
    """The first one makes the table; the others still know that their rows are not in it."""
    world.landing.server.bulk(OTHER, rows=4, name="other")
    assert world.command("load", project=OTHER) == DONE
    assert world.command("load") == DONE
    trials = len(world.landing.tables()["trials"])
    lost_tables("trials")(world)
    assert world.command("load", project=OTHER) == DONE
    assert world.command("load") == DONE
    assert len(world.landing.tables()["trials"]) == trials
    assert {row["project_id"] for row in world.landing.tables()["trials"]} == {PROJECT, OTHER}


def test_a_lost_column_that_a_row_must_have(world: World) -> None:
    """No warehouse adds it to rows that lack it; the sentence says what to do, and that does it."""
    lost_column("trials", "result_row_id")(world)
    if world.command("load") != DONE:
        assert f"The dataset {world.landing.dataset} lacks trials (result_row_id), which it had" in world.said
        assert "Drop the table; the next load makes it and reads every run again." in world.said
        world.drop_table("trials")
        assert world.command("load") == DONE
    assert world.differences() == []


def test_two_machines_take_turns(world: World, record: Record) -> None:
    server = world.landing.server
    for turn, machine in enumerate(["second", "machine", "second", "third", "machine"]):
        world.machine = machine
        server.bulk(PROJECT, rows=2 + turn, start=days_ago(1.5 - turn / 10), name=f"turn-{turn}")
        assert world.command("load") == DONE
    fresh = world.fresh()
    assert world.differences(fresh) == []
    for machine in ("second", "third"):
        world.machine = machine
        server.clear_requests()
        assert world.command("load") == DONE
        assert server.requests("eval_results") == []
    record("state cases", "turns of three machines", 5, column=world.landing.warehouse.name)


def test_a_package_from_before_the_load_of_another_machine_is_not_loaded(world: World) -> None:
    """It holds a run as it was, and would take back what the other machine has loaded since."""
    server = world.landing.server
    world.killed_load()
    runs = world.landing.server.calls(PROJECT, op_names=[f"weave:///{PROJECT}/op/Evaluation.evaluate:*"])
    for run in runs:
        server.patch_call(PROJECT, run["id"], display_name="renamed since")
    world.machine = "second"
    assert world.command("load") == DONE
    world.machine = "machine"
    assert world.command("load") == DONE
    assert world.differences(world.fresh()) == []


@pytest.mark.parametrize("step", ["extract", "normalize", "load"])
def test_a_working_folder_that_goes_during_a_load(world: World, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    original = getattr(dlt.Pipeline, step)

    def go_on_without(pipeline: dlt.Pipeline, *arguments: Any, **more: Any) -> Any:
        shutil.rmtree(pipeline.pipelines_dir)
        return original(pipeline, *arguments, **more)

    with monkeypatch.context() as patch:
        patch.setattr(dlt.Pipeline, step, go_on_without)
        code = world.command("load")
    if code != DONE:
        assert code == FAILED
        assert "is gone" in world.said
        assert "What was loaded before stays" in world.said
    assert world.command("load") == DONE, world.said
    assert world.differences() == []


def test_a_package_whose_schema_was_not_saved_is_read_again(world: World) -> None:
    """dlt would have its rows written as the older schema says: as CSV, which knows no empty texts."""
    world.killed_load("normalize")
    (path,) = world.working.glob("schemas/*.schema.json")
    schema = Schema.from_dict(json.loads(path.read_text()))
    for table in schema.tables.values():
        table.pop("file_format", None)
    path.write_text(json.dumps(schema.to_dict()))
    world.landing.server.clear_requests()
    assert world.command("load") == DONE, world.said
    assert world.landing.server.requests("eval_results")
    assert world.differences() == []


def test_a_package_whose_schema_was_saved_is_loaded_as_it_is(world: World) -> None:
    world.killed_load("normalize")
    world.landing.server.clear_requests()
    assert world.command("load") == DONE, world.said
    assert not world.landing.server.requests("eval_results")
    assert world.differences() == []


def test_a_dataset_that_was_dropped_while_nothing_is_new(world: World) -> None:
    assert world.command("load") == DONE
    lost_dataset(world)
    assert world.command("load") == DONE
    assert world.differences() == []
