"""Loads the evaluations of a W&B Weave project. Run it again whenever you like: it reads what is new or changed."""

import dlt

from weave_eval import weave_eval


def load_evaluations() -> None:
    """Loads all tables of the project that .dlt/config.toml names."""
    pipeline = dlt.pipeline(
        pipeline_name="weave_eval",
        destination="duckdb",
        dataset_name="weave",  # DuckDB wants it to differ from its file's name, which is that of the pipeline
    )
    print(pipeline.run(weave_eval()))


def load_statistics() -> None:
    """Loads the runs and Weave's own aggregates of their scores, without the rows: fast, and enough for a dashboard."""
    pipeline = dlt.pipeline(
        pipeline_name="weave_eval_statistics",
        destination="duckdb",
        dataset_name="weave",
    )
    print(pipeline.run(weave_eval().with_resources("evaluation_runs", "scorer_stats")))


def load_month() -> None:
    """Loads the runs of one month again, whatever was loaded before."""
    pipeline = dlt.pipeline(
        pipeline_name="weave_eval",
        destination="duckdb",
        dataset_name="weave",
    )
    print(pipeline.run(weave_eval(since="2026-10-01", until="2026-11-01")))


if __name__ == "__main__":
    load_evaluations()
