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

ROWS = 137
Values = Sequence[bool | float]


class Project:
    """A project in a DuckDB database, of runs that are made of values by metric and row."""

    def __init__(self, database: duckdb.DuckDBPyConnection):
        self._database = database

    def add_run(self, run_id: str, scores: dict[str, Values], latencies: Sequence[float] = ()) -> None:
        """Adds a completed and reconciled run with one trial for each row."""
        count = max(len(values) for values in scores.values())
        digests = [f"digest{number}" for number in range(count)]
        trials = pd.DataFrame({"trial_id": [f"{run_id}-{digest}" for digest in digests], "row_digest": digests})
        trials["latency_seconds"] = list(latencies) or None
        self._insert("trials", trials.assign(run_id=run_id))
        self._insert("result_rows", trials[["row_digest"]].assign(run_id=run_id, result_row_id=trials.trial_id))
        for metric, values in scores.items():
            self._insert("scores", _scores(trials[["trial_id", "row_digest"]], metric, values).assign(run_id=run_id))
        run = {"run_id": run_id, "status": "completed", "row_count": count, "trial_count": count, "score_count": count}
        started_at = pd.Timestamp("2026-11-01", tz="UTC")
        self._insert("evaluation_runs", pd.DataFrame([{**run, "results_load_id": "load", "started_at": started_at}]))
        self._insert("reconciliations", pd.DataFrame([{"run_id": run_id, "is_reconciled": True}]))

    def one(self, view: str, **wanted: str) -> dict[str, Any]:
        """The row of a view that has the wanted values."""
        where = " AND ".join(f"{column} = '{value}'" for column, value in wanted.items())
        (row,) = self._database.execute(f"SELECT * FROM {view} WHERE {where}").arrow().read_all().to_pylist()
        return dict(row)

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
