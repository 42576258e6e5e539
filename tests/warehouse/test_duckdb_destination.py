"""Merges into DuckDB of more than fits into the memory that loads take."""

from __future__ import annotations

import secrets
from pathlib import Path

import dlt
import duckdb
import pyarrow as pa
import pytest
from dlt.destinations.impl.duckdb.configuration import DuckDbCredentials
from dlt.pipeline.exceptions import PipelineStepFailed

from weave_eval.warehouse import duckdb_destination

TEXTS = [secrets.token_hex(500_000) for _ in range(60)]
"""All texts of more than a block have to fit into memory when a transaction ends: these take 60 MB."""
LIMIT = "40MB"


def load(credentials: DuckDbCredentials | str, folder: Path) -> None:
    table = pa.table({"text_id": list(range(len(TEXTS))), "text": TEXTS})
    made = dlt.pipeline("texts", str(folder), destination=duckdb_destination.duckdb(credentials), dataset_name="weave")
    made.run(
        [table], table_name="texts", write_disposition="merge", primary_key="text_id", loader_file_format="parquet"
    )


def test_a_transaction_that_does_not_fit_into_our_limit_gets_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(duckdb_destination._LOADING, "memory_limit", LIMIT)
    load(str(tmp_path / "texts.duckdb"), tmp_path)
    with duckdb.connect(str(tmp_path / "texts.duckdb")) as connection:
        assert connection.execute("SELECT text FROM weave.texts ORDER BY text_id").fetchall() == [
            (text,) for text in TEXTS
        ]


def test_a_limit_that_the_user_has_set_stands(tmp_path: Path) -> None:
    credentials = DuckDbCredentials(str(tmp_path / "texts.duckdb"))
    credentials.global_config = {"memory_limit": LIMIT}
    with pytest.raises(PipelineStepFailed, match="Increasing the memory limit"):
        load(credentials, tmp_path)
