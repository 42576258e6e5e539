"""Trials on which Weave itself fails: their run is loaded whole all the same, and proven."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tenacity import wait_none

from tests.loads import Place, days_ago
from tests.tables_of import Row, Tables
from tests.weave_server import damage
from tests.weave_server.process import WeaveServer
from weave_eval import LoadOptions, LoadResult, verify_project
from weave_eval.errors import TransientApiError
from weave_eval.loading.verify import Findings
from weave_eval.reading.eval_results import EvalResults

PROJECT = "acme/support-bot"
REF = f"weave:///{PROJECT}/object/large-scores:abc123"
ROWS, TRIALS = 5, 2


@pytest.fixture(scope="module", autouse=True)
def _no_pauses() -> Iterator[None]:
    """What fails for ever is tried again at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("weave_eval.api.retries.wait_random_exponential", lambda **_: wait_none())
        yield


@dataclass
class Poisoned:
    """A run before and after one of its trials was poisoned, and a run beside it."""

    run_id: str
    trial_id: str
    beside: str
    scores: Any
    healthy: Tables
    tables: Tables
    result: LoadResult

    def of_run(self, table: str, tables: Tables | None = None) -> list[Row]:
        return [row for row in (tables or self.tables)[table] if row["run_id"] == self.run_id]

    def trial(self, tables: Tables | None = None) -> Row:
        (row,) = [row for row in self.of_run("trials", tables) if row["trial_id"] == self.trial_id]
        return row


SCORES = [
    pytest.param(REF, id="ref"),
    pytest.param(None, id="null", marks=pytest.mark.slow),
    pytest.param([0.5, "listed"], id="list", marks=pytest.mark.slow),
    pytest.param("bare text", id="text", marks=pytest.mark.slow),
]
"""What may be stored instead of scores by scorer."""


@pytest.fixture(scope="module", params=SCORES)
def poisoned(
    weave_server: WeaveServer, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Poisoned:
    server = weave_server
    server.clear_faults()
    server.configure()
    server.reset()
    run_id, beside = server.bulk(PROJECT, runs=2, rows=ROWS, trials=TRIALS, scorers=2, start=days_ago(1))
    place = Place(server, PROJECT, tmp_path_factory.mktemp("poisoned"))
    place.load()
    healthy = place.tables()
    trial_id = damage.trial_ids(server, PROJECT, run_id)[3]
    damage.poison(server, PROJECT, trial_id, request.param)
    result = place.load(is_full=True)
    return Poisoned(run_id, trial_id, beside, request.param, healthy, place.tables(), result)


def test_every_row_and_trial_is_there(poisoned: Poisoned) -> None:
    for table, key in (("result_rows", "result_row_id"), ("trials", "trial_id")):
        ids = [{row[key] for row in poisoned.of_run(table, tables)} for tables in (poisoned.healthy, poisoned.tables)]
        assert ids[0] == ids[1]
    assert len(poisoned.of_run("trials")) == ROWS * TRIALS


def test_outputs_and_order_are_as_they_were(poisoned: Poisoned) -> None:
    columns = ("trial_id", "row_digest", "trial_index", "output", "started_at", "finished_at", "is_error")
    before, after = (
        sorted(tuple(str(row[column]) for column in columns) for row in poisoned.of_run("trials", tables))
        for tables in (poisoned.healthy, poisoned.tables)
    )
    assert before == after


def test_scores_of_the_others_are_as_they_were(poisoned: Poisoned) -> None:
    columns = ("score_id", "trial_id", "scorer_name", "path", "value_type", "value_bool", "value_number")
    before, after = (
        {tuple(row[column] for column in columns) for row in poisoned.of_run("scores", tables)}
        for tables in (poisoned.healthy, poisoned.tables)
    )
    assert after == {row for row in before if row[1] != poisoned.trial_id}


def test_what_is_stored_instead_of_scores_is_kept(poisoned: Poisoned) -> None:
    assert (poisoned.trial()["extra"] or {"scores": None}) == {"scores": poisoned.scores}


def test_a_warning_names_the_trial_and_its_run(poisoned: Poisoned) -> None:
    named = [warning for warning in poisoned.result.report.warnings if "Weave fails on its results" in warning]
    assert len(named) == 1
    assert poisoned.trial_id in named[0]
    assert named[0].startswith(f"run {poisoned.run_id}: ")
    assert poisoned.beside not in str(poisoned.result.report.warnings)


def test_the_stats_are_computed_and_say_so(poisoned: Poisoned) -> None:
    stats = {(row["scorer_name"], row["path"]): row for row in poisoned.of_run("scorer_stats")}
    before = {(row["scorer_name"], row["path"]): row for row in poisoned.of_run("scorer_stats", poisoned.healthy)}
    assert stats.keys() == before.keys()
    assert {row["is_computed"] for row in stats.values()} == {True}
    assert {row["is_computed"] for row in before.values()} == {False}
    assert {row["trial_count"] for row in stats.values()} == {ROWS * TRIALS - 1}
    scores = [row for row in poisoned.of_run("scores") if row["path"] == "distance"]
    distances = [row["value_number"] for row in scores]
    assert stats["bulk_scorer_1", "distance"]["numeric_mean"] == pytest.approx(sum(distances) / len(distances))
    passed = [row["value_bool"] for row in poisoned.of_run("scores") if row["path"] == "passed"]
    assert stats["bulk_scorer_1", "passed"]["pass_rate"] == pytest.approx(sum(passed) / len(passed))


def test_the_run_beside_it_is_as_it_was(poisoned: Poisoned) -> None:
    for table in ("scorer_stats", "trials", "scores", "result_rows"):
        before, after = (
            [{**row, "_dlt_load_id": None} for row in tables[table] if row["run_id"] == poisoned.beside]
            for tables in (poisoned.healthy, poisoned.tables)
        )
        assert before == after != []


def test_the_load_is_a_success_and_the_next_one_has_nothing_to_do(poisoned: Poisoned) -> None:
    assert (poisoned.result.status, poisoned.result.unreconciled) == ("loaded", [])
    proofs = {row["run_id"]: row for row in poisoned.tables["reconciliations"]}
    assert {run_id: row["is_reconciled"] for run_id, row in proofs.items()} == {
        poisoned.run_id: True,
        poisoned.beside: True,
    }
    assert proofs[poisoned.run_id]["trial_count"] == ROWS * TRIALS


def verify(place: Place) -> Findings:
    options = LoadOptions(pipelines_dir=str(place.folder / "machine"))
    return verify_project(place.settings(), place.profile, options, is_dry_run=True).findings


@pytest.mark.parametrize("page_rows", [2, pytest.param(500, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "settings",
    [pytest.param({}, id="in memory", marks=pytest.mark.slow), pytest.param({"quirks": True}, id="clickhouse")],
)
def test_pages_of_any_size(server: WeaveServer, tmp_path: Path, settings: dict[str, Any], page_rows: int) -> None:
    server.configure(**settings)
    (run_id,) = server.bulk(PROJECT, rows=ROWS, trials=TRIALS, scorers=1, start=days_ago(1))
    trials = damage.trial_ids(server, PROJECT, run_id)
    damage.poison(server, PROJECT, trials[1], REF)
    damage.poison(server, PROJECT, trials[4], None)
    place = Place(server, PROJECT, tmp_path)
    result = place.load(page_rows=page_rows)
    tables = place.tables()
    assert {row["trial_id"] for row in tables["trials"]} == set(trials)
    assert {row["trial_id"] for row in tables["scores"]} == set(trials) - {trials[1], trials[4]}
    assert len(place.server.requests("eval_results")) < 80
    assert verify(place).is_clean
    assert (len(tables["result_rows"]), result.unreconciled) == (ROWS, [])
    assert {tuple(row[name] for name in ("is_computed", "trial_count")) for row in tables["scorer_stats"]} == {
        (True, ROWS * TRIALS - 2)
    }


def test_only_the_pages_with_the_row_fail(server: WeaveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """W&B's production server reads the calls of a page's rows only, so that other pages are answered."""
    error = TransientApiError("reading the summary failed", 500)
    monkeypatch.setattr(EvalResults, "summary", lambda *_: error)
    (run_id,) = server.bulk(PROJECT, rows=ROWS, trials=1, scorers=1, start=days_ago(1))
    poisoned_row = 3
    truth = EvalResults.page

    def read(results: EvalResults, asked: str, offset: int, limit: int, max_bytes: int | None) -> Any:
        if offset <= poisoned_row < offset + limit:
            raise TransientApiError(f"reading rows {offset} to {offset + limit - 1} failed", 500)
        return truth(results, asked, offset, limit, max_bytes)

    monkeypatch.setattr(EvalResults, "page", read)
    place = Place(server, PROJECT, tmp_path)
    result = place.load()
    assert result.unreconciled == []
    assert place.trial_counts() == {run_id: ROWS}
    assert len(place.tables()["scores"]) == ROWS
    rebuilt = [warning for warning in result.report.warnings if "Weave fails on its results" in warning]
    assert len(rebuilt) == 1
    assert "; 1 trials were rebuilt" in rebuilt[0]
    (proof,) = place.tables()["reconciliations"]
    assert (proof["api_row_count"], proof["api_trial_count"], proof["stats_checked"]) == (ROWS, ROWS, 0)
