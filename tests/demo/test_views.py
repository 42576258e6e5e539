"""The views find what the demo's story holds, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

BEFORE, AFTER = "01a20897-e0b5-74a0-bcfb-7ab92243de96", "01a20897-e1ec-7d7d-89fc-169684e3b10c"
"""The runs of the model before and after its prompt was made brief."""


@pytest.fixture(scope="module")
def demo(demo_file: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(demo_file), read_only=True) as connection:
        yield connection


def rows(demo: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[Any, ...]]:
    return demo.execute(sql).fetchall()


def test_the_regression(demo: duckdb.DuckDBPyConnection) -> None:
    pair = f"baseline_run_id = '{BEFORE}' AND run_id = '{AFTER}' AND metric = 'correct'"
    changes = rows(demo, f"SELECT change, count(*) FROM weave.fct_row_changes WHERE {pair} GROUP BY 1 ORDER BY 1")
    (compared,) = rows(
        demo,
        f"""SELECT improved_count, regressed_count, baseline_mean, mean_value, is_same_dataset, is_same_scorer
        FROM weave.fct_comparisons WHERE {pair}""",
    )
    assert changes == [("regressed", 5), ("same", 20)]
    assert compared == (0, 5, pytest.approx(0.96), pytest.approx(0.76), True, True)


def test_no_model_changes_from_run_to_run_by_itself(demo: duckdb.DuckDBPyConnection) -> None:
    """Between comparable runs of one model version nothing differs but the flaky row."""
    found = rows(
        demo,
        """SELECT DISTINCT i.inputs ->> '$.question', c.metric
        FROM weave.fct_row_changes AS c
        JOIN weave.fct_comparisons AS p USING (baseline_run_id, run_id, metric)
        JOIN weave.dim_inputs AS i USING (input_id)
        WHERE c.model_id = c.baseline_model_id AND p.is_comparable AND c.is_binary AND c.change <> 'same'""",
    )
    assert set(found) <= {("Is shipping refunded too?", "correct")}


def test_the_flaky_row(demo: duckdb.DuckDBPyConnection) -> None:
    found = rows(
        demo,
        """SELECT i.inputs ->> '$.question', f.model_name, f.metric, f.flaky_run_count
        FROM weave.fct_flaky_rows AS f JOIN weave.dim_inputs AS i USING (input_id)""",
    )
    assert found == [("Is shipping refunded too?", "helpdesk-large", "correct", 2)]


def test_the_scorer_change(demo: duckdb.DuckDBPyConnection) -> None:
    found = rows(
        demo,
        """SELECT DISTINCT
          evaluation_name, scorer_name, model_name, CAST(run_started_at AT TIME ZONE 'UTC' AS DATE)::TEXT AS day
        FROM weave.fct_scorer_changes ORDER BY day""",
    )
    assert found == [
        ("support-faq", "tone", "helpdesk-large", "2026-11-12"),
        ("support-faq", "tone", "helpdesk-small", "2026-11-16"),
    ]


def test_the_dataset_edit(demo: duckdb.DuckDBPyConnection) -> None:
    """The edit, and the run of the v2 API, which has rows of its own."""
    found = rows(
        demo,
        """SELECT CAST(run_started_at AT TIME ZONE 'UTC' AS DATE)::TEXT, added_row_count, removed_row_count
        FROM weave.fct_dataset_drift WHERE has_drifted ORDER BY 1""",
    )
    assert found == [("2026-11-06", 2, 1), ("2026-11-18", 6, 25)]


def test_what_failed(demo: duckdb.DuckDBPyConnection) -> None:
    errors = rows(demo, "SELECT model_name, error_count FROM weave.fct_run_performance WHERE error_count > 0")
    runs = rows(demo, "SELECT status, count(*) FROM weave.dim_runs GROUP BY 1 ORDER BY 1")
    assert errors == [("helpdesk-small", 1)]
    assert runs == [("completed", 13), ("failed", 1), ("running", 1)]
