"""The statistics that the views compute in SQL are those of scipy and statsmodels."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.inter_rater import cohens_kappa
from statsmodels.stats.power import TTestIndPower
from statsmodels.stats.proportion import proportion_confint

from tests.empty_warehouse import make_empty_warehouse
from weave_eval.warehouse.views.model import views

ROWS = 137
Values = Sequence[bool | float]


class Project:
    """A project in a DuckDB database, of runs that are made of values by metric and row."""

    def __init__(self, database: duckdb.DuckDBPyConnection):
        self._database = database

    def add_run(
        self,
        run_id: str,
        scores: dict[str, Values],
        latencies: Sequence[float] = (),
        *,
        trials_per_row: int = 1,
        costs: Sequence[float] = (),
        failed_count: int = 0,
    ) -> None:
        """Adds a completed and reconciled run of a model of its own, the values in the order of rows and trials."""
        count = max(len(values) for values in scores.values()) + failed_count
        digests = [f"digest{number // trials_per_row}" for number in range(count)]
        trials = pd.DataFrame({"trial_id": [f"{run_id}-{n}" for n in range(count)], "row_digest": digests})
        trials["latency_seconds"] = list(latencies) or None
        trials["total_cost"] = list(costs) or None
        trials["is_error"] = [number >= count - failed_count for number in range(count)]
        self._insert("trials", trials.assign(run_id=run_id))
        rows = trials.drop_duplicates("row_digest")
        self._insert("result_rows", rows[["row_digest"]].assign(run_id=run_id, result_row_id=rows.trial_id))
        for metric, values in scores.items():
            scored = trials[["trial_id", "row_digest"]].head(len(values))
            self._insert("scores", _scores(scored, metric, values).assign(run_id=run_id))
        run: dict[str, Any] = {"run_id": run_id, "model_name": run_id, "status": "completed"}
        run |= {"row_count": len(rows), "trial_count": count, "score_count": count}
        started_at = pd.Timestamp("2026-11-01", tz="UTC")
        self._insert("evaluation_runs", pd.DataFrame([{**run, "results_load_id": "load", "started_at": started_at}]))
        self._insert("reconciliations", pd.DataFrame([{"run_id": run_id, "is_reconciled": True}]))

    def one(self, view: str, **wanted: str) -> dict[str, Any]:
        """The row of a view that has the wanted values."""
        (row,) = self.rows(view, **wanted)
        return row

    def rows(self, view: str, **wanted: str) -> list[dict[str, Any]]:
        """The rows of a view that have the wanted values."""
        where = "".join(f" AND {column} = '{value}'" for column, value in wanted.items())
        found = self._database.execute(f"SELECT * FROM {view} WHERE TRUE{where}").arrow().read_all().to_pylist()
        return [dict(row) for row in found]

    def _insert(self, table: str, rows: pd.DataFrame) -> None:
        rows = rows.assign(project_id="entity/project", _dlt_load_id="load")
        self._database.register("new_rows", rows)
        self._database.execute(f"INSERT INTO {table} BY NAME SELECT * FROM new_rows")


def _scores(trials: pd.DataFrame, metric: str, values: Values) -> pd.DataFrame:
    column, kind = ("value_bool", "binary") if isinstance(values[0], bool) else ("value_number", "continuous")
    scores = trials.assign(score_id=trials.trial_id + metric, scorer_name=metric, path="", value_type=kind)
    return scores.assign(**{column: list(values)})


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "empty.duckdb"
    make_empty_warehouse(path)
    return path


@pytest.fixture
def project(template: Path, tmp_path: Path) -> Iterator[Project]:
    path = Path(shutil.copy(template, tmp_path))
    with duckdb.connect(str(path)) as database:
        yield Project(database)


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(20261109)


def passes(random: np.random.Generator, share: float, count: int = ROWS) -> list[bool]:
    return [bool(value) for value in random.random(count) < share]


@pytest.mark.parametrize("share", [0.0, 0.03, 0.7, 1.0])
@pytest.mark.parametrize("count", [1, 2, 25, ROWS])
def test_pass_rates_have_wilsons_interval(
    project: Project, random: np.random.Generator, share: float, count: int
) -> None:
    values = passes(random, share, count)
    project.add_run("run", {"correct": values})
    found = project.one("fct_run_scores", metric="correct")
    low, high = proportion_confint(sum(values), count, alpha=0.05, method="wilson")
    assert found["pass_rate"] == pytest.approx(np.mean(values))
    assert (found["pass_rate_low"], found["pass_rate_high"]) == pytest.approx((low, high), abs=1e-6)


@pytest.mark.parametrize("count", [2, 3, 4, 5, 10, ROWS])
def test_means_have_students_interval(project: Project, random: np.random.Generator, count: int) -> None:
    values = [float(value) for value in random.normal(3, 2, count)]
    project.add_run("run", {"stars": values})
    found = project.one("fct_run_scores", metric="stars")
    low, high = stats.t.interval(0.95, count - 1, np.mean(values), stats.sem(values))
    assert found["standard_error"] == pytest.approx(stats.sem(values))
    assert found["mean_high"] - found["mean_low"] == pytest.approx(high - low, rel=2e-3)
    assert found["mean_low"] + found["mean_high"] == pytest.approx(low + high)


def test_the_detectable_difference_has_the_power_that_it_claims(project: Project, random: np.random.Generator) -> None:
    values = [float(value) for value in random.normal(0, 1, 400)]
    project.add_run("run", {"stars": values})
    found = project.one("fct_run_scores", metric="stars")
    size = found["detectable_difference"] / np.std(values, ddof=1)
    assert TTestIndPower().power(size, nobs1=400, alpha=0.05) == pytest.approx(0.8, abs=2e-3)


@pytest.mark.parametrize(("before", "after"), [(0.9, 0.6), (0.5, 0.5), (1.0, 0.97), (1.0, 1.0)])
def test_pass_or_fail_is_compared_by_mcnemars_exact_test(
    project: Project, random: np.random.Generator, before: float, after: float
) -> None:
    first, second = passes(random, before), passes(random, after)
    project.add_run("a", {"correct": first})
    project.add_run("b", {"correct": second})
    found = project.one("fct_comparisons", baseline_run_id="a", run_id="b")
    improved = sum(b > a for a, b in zip(first, second, strict=True))
    regressed = sum(b < a for a, b in zip(first, second, strict=True))
    expected = stats.binomtest(improved, improved + regressed).pvalue if improved + regressed else 1.0
    assert (found["improved_count"], found["regressed_count"]) == (improved, regressed)
    assert found["p_value"] == pytest.approx(expected)
    assert bool(found["is_significant"]) is bool(expected < 0.05)


@pytest.mark.parametrize(
    ("improved", "regressed"), [(999, 1200), (1000, 1050), (1000, 1200), (1500, 1500), (1001, 3000)]
)
def test_thousands_of_changed_rows_are_compared_nearly_exactly(project: Project, improved: int, regressed: int) -> None:
    project.add_run("a", {"correct": [False] * improved + [True] * regressed})
    project.add_run("b", {"correct": [True] * improved + [False] * regressed})
    found = project.one("fct_comparisons", baseline_run_id="a", run_id="b")
    expected = stats.binomtest(improved, improved + regressed).pvalue
    assert found["p_value"] == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize("shift", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("count", [3, 12, ROWS])
def test_numbers_are_compared_by_paired_intervals_and_the_sign_test(
    project: Project, random: np.random.Generator, shift: float, count: int
) -> None:
    first = random.normal(0, 1, count)
    second = first + random.normal(shift, 0.4, count)
    project.add_run("a", {"stars": [float(value) for value in first]})
    project.add_run("b", {"stars": [float(value) for value in second]})
    found = project.one("fct_comparisons", baseline_run_id="a", run_id="b")
    low, high = stats.ttest_rel(second, first).confidence_interval(0.95)
    assert found["difference"] == pytest.approx(np.mean(second - first))
    assert found["difference_high"] - found["difference_low"] == pytest.approx(high - low, rel=2e-3)
    assert found["p_value"] == pytest.approx(stats.binomtest(int(sum(second > first)), count).pvalue)
    assert bool(found["is_significant"]) is bool(low > 0 or high < 0)


def test_what_only_rounding_tells_apart_is_the_same(project: Project) -> None:
    project.add_run("a", {"stars": [0.1, 0.2, 0.3] * 6}, [1.0] * 18, trials_per_row=3, costs=[0.1] * 18)
    project.add_run("b", {"stars": [0.3, 0.2, 0.1] * 6}, [1.0] * 18, trials_per_row=3, costs=[0.1] * 18)
    project.add_run("c", {"stars": [0.1] * 18}, [1.0] * 18, trials_per_row=3, costs=[0.1 + 1e-16] * 18)
    found = project.one("fct_comparisons", baseline_run_id="a", run_id="b")
    assert (found["improved_count"], found["regressed_count"], found["difference"]) == (0, 0, 0)
    assert (found["p_value"], found["is_significant"]) == (1, False)
    assert {row["change"] for row in project.rows("fct_row_changes", baseline_run_id="a", run_id="b")} == {"same"}
    ranks = {row["run_id"]: (row["rank"], row["model_count"]) for row in project.rows("fct_leaderboard")}
    assert ranks == {"a": (1, 3), "b": (1, 3), "c": (3, 3)}
    beaten = {row["run_id"]: row["dominated_by_count"] for row in project.rows("fct_frontier")}
    assert beaten == {"a": 0, "b": 0, "c": 2}
    assert {row["rank"] for row in project.rows("fct_worst_rows")} == {1}


def test_rows_that_are_all_the_same_say_nothing_of_others(project: Project) -> None:
    project.add_run("a", {"stars": [0.1, 0.1], "correct": [True, True]})
    project.add_run("b", {"stars": [0.1 + 0.2, 0.3], "correct": [True, True]})
    for metric in ("stars", "correct"):
        found = project.one("fct_run_scores", run_id="b", metric=metric)
        nothing = ("standard_error", "mean_low", "mean_high", "detectable_difference")
        assert [found[name] for name in nothing] == [None] * len(nothing)
    assert found["pass_rate_low"] == pytest.approx(proportion_confint(2, 2, method="wilson")[0])
    compared = project.one("fct_comparisons", baseline_run_id="a", run_id="b", metric="stars")
    assert (compared["p_value"], compared["is_significant"]) == (0.5, False)
    assert (compared["standard_error"], compared["difference_low"]) == (None, None)


def test_many_rows_that_moved_by_the_same_are_told_by_the_sign_test(project: Project) -> None:
    project.add_run("a", {"stars": [0.1] * 6})
    project.add_run("b", {"stars": [0.3] * 6})
    found = project.one("fct_comparisons", baseline_run_id="a", run_id="b")
    assert (found["p_value"], found["is_significant"]) == (pytest.approx(2 / 2**6), True)


def test_a_run_that_mostly_failed_is_not_ranked(project: Project) -> None:
    project.add_run("whole", {"stars": [0.5] * 4})
    project.add_run("half", {"stars": [0.9] * 2}, failed_count=2)
    project.add_run("most", {"stars": [0.95]}, failed_count=3)
    assert {row["run_id"]: row["rank"] for row in project.rows("fct_leaderboard")} == {"half": 1, "whole": 2}


EXTREMES = (1e100, 1e160, 1.5e308, -1.5e308)


def test_an_extreme_number_spoils_its_own_metric_alone(project: Project, random: np.random.Generator) -> None:
    calm = [float(value) for value in random.normal(3, 2, 2 * len(EXTREMES) + 1)]
    for run_id, extreme in (("a", EXTREMES), ("b", EXTREMES[::-1])):
        odd = [*extreme, *extreme, 5e-324]
        project.add_run(run_id, {"odd": odd, "calm": calm, "correct": [True] * len(odd)}, costs=[1.5e308] * len(odd))
    for view in views():
        project.rows(view.name)
    for name in ("fct_run_scores", "fct_leaderboard", "fct_slices"):
        assert all((row["mean_value"] is None) == (row["metric"] == "odd") for row in project.rows(name))
    found = project.one("fct_run_scores", run_id="a", metric="calm")
    assert found["mean_value"] == pytest.approx(np.mean(calm))
    assert found["mean_high"] is not None
    odd_scores = project.one("fct_run_scores", run_id="a", metric="odd")
    assert (odd_scores["row_count"], odd_scores["standard_error"], odd_scores["mean_low"]) == (9, None, None)
    compared = {row["metric"]: row for row in project.rows("fct_comparisons", baseline_run_id="a", run_id="b")}
    assert compared["odd"]["p_value"] is compared["odd"]["is_significant"] is None
    assert (compared["calm"]["p_value"], compared["calm"]["is_significant"]) == (1, False)
    assert {row["metric"]: row["rank"] for row in project.rows("fct_leaderboard", run_id="a")} == {
        "odd": None, "calm": 1, "correct": 1,
    }  # fmt: skip
    assert project.one("fct_run_performance", run_id="a")["cost_per_trial"] is None


def test_scorers_agree_by_cohens_kappa(project: Project, random: np.random.Generator) -> None:
    first = passes(random, 0.7)
    second = [value if random.random() < 0.8 else not value for value in first]
    project.add_run("run", {"correct": first, "polite": second})
    found = project.one("fct_scorer_agreement", run_id="run")
    table = pd.crosstab(pd.Series(first), pd.Series(second)).to_numpy()
    assert found["kappa"] == pytest.approx(cohens_kappa(table).kappa)
    assert found["agreement"] == pytest.approx(np.mean(np.equal(first, second)))


@pytest.mark.parametrize("count", [1, 2, 99, 100, 101])
def test_percentiles_are_of_the_nearest_rank(project: Project, random: np.random.Generator, count: int) -> None:
    latencies = [float(value) for value in random.exponential(2, count)]
    project.add_run("run", {"correct": [True] * count}, latencies)
    found = project.one("fct_run_performance", run_id="run")
    expected = np.percentile(latencies, [50, 95, 99], method="inverted_cdf")
    assert [found[name] for name in ("latency_p50", "latency_p95", "latency_p99")] == pytest.approx(list(expected))
