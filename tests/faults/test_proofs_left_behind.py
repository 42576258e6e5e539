"""Loads that end between what they load and its proof: the next load proves it, without reading it again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.loads import Place, days_ago, kinds
from tests.tables_of import load_count
from tests.weave_server import damage
from tests.weave_server.process import WeaveServer
from weave_eval.cli.interruption import Interruption
from weave_eval.loading import execution

PROJECT = "acme/unproven"


@pytest.fixture
def place(server: WeaveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A place whose first load ended before its proof."""
    server.bulk(PROJECT, runs=3, rows=4, trials=2, scorers=2, start=days_ago(2))
    made = Place(server, PROJECT, tmp_path)
    end_before_proof(made, monkeypatch)
    return made


def end_before_proof(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def end(*_: Any) -> Any:
        raise Interruption(15)

    with monkeypatch.context() as patch:
        patch.setattr(execution, "prove", end)
        with pytest.raises(Interruption):
            place.load()
    place.server.clear_requests()


def proofs(place: Place) -> dict[str, bool]:
    return {row["run_id"]: row["is_reconciled"] for row in place.tables().get("reconciliations", [])}


@pytest.mark.parametrize("machine", ["machine", "another machine"])
def test_the_next_load_proves_what_is_there(place: Place, machine: str) -> None:
    before = place.lasting()
    assert (len(before["evaluation_runs"]), before.pop("reconciliations")) == (3, [])
    place.load(machine=machine)
    assert kinds(place.server) == {"listing": 1, "count": 1}
    assert proofs(place) == dict.fromkeys(place.statuses(), True)
    assert {name: place.lasting()[name] for name in before} == before
    packages = load_count(place.file)
    place.load(machine=machine)
    assert load_count(place.file) == packages


def test_what_was_lost_meanwhile_is_read_again(place: Place) -> None:
    hurt, *_ = place.statuses()
    with duckdb.connect(str(place.file)) as connection:
        connection.execute(f"DELETE FROM weave.trials WHERE run_id = '{hurt}'")
    result = place.load()
    assert (result.status, result.report.runs_read) == ("loaded", 1)
    assert place.trial_counts() == dict.fromkeys(place.statuses(), 8)
    assert proofs(place) == dict.fromkeys(place.statuses(), True)


def test_a_run_that_weave_cannot_sum_up(server: WeaveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (run_id,) = server.bulk(PROJECT, rows=3, scorers=1, start=days_ago(1))
    damage.poison(server, PROJECT, damage.trial_ids(server, PROJECT, run_id)[1])
    place = Place(server, PROJECT, tmp_path)
    end_before_proof(place, monkeypatch)
    assert place.tables().get("scorer_stats", []) == []
    place.load()
    assert proofs(place) == {run_id: True}
    assert [row["is_computed"] for row in place.tables()["scorer_stats"]] == [True]


def test_a_long_load_is_proven_on_the_way(server: WeaveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = server.bulk(PROJECT, runs=5, rows=2, scorers=1, start=days_ago(2))
    place = Place(server, PROJECT, tmp_path)
    monkeypatch.setattr(execution, "_PROVEN_TOGETHER", 2)
    result = place.load(package_runs=1)
    assert (result.status, len(result.load_ids)) == ("loaded", 5)
    assert proofs(place) == dict.fromkeys(runs, True)
    loads = {row["run_id"]: row["results_load_id"] for row in place.tables()["evaluation_runs"]}
    assert {row["run_id"]: row["load_id"] for row in place.tables()["reconciliations"]} == loads
