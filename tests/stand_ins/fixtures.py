"""Fixtures: the servers, each started when first asked for, and `warehouse`, which runs a test on all four.

A real server or account named in the environment takes the stand-in's place:
`WEAVE_EVAL_TEST_POSTGRES_URL`, `WEAVE_EVAL_TEST_BIGQUERY_CREDENTIALS` (a service account's JSON), and
`WEAVE_EVAL_TEST_SNOWFLAKE_URL` (`snowflake://user:password@account/database?warehouse=...`).
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlencode

import dlt
import pytest
from dlt.common.configuration.specs import GcpServiceAccountCredentials

from tests.stand_ins.bigquery import BigQuery
from tests.stand_ins.postgres import Postgres
from tests.stand_ins.snowflake import Snowflake
from tests.stand_ins.warehouse import Warehouse

BIGQUERY_VARIABLE = "WEAVE_EVAL_TEST_BIGQUERY_CREDENTIALS"
SNOWFLAKE_VARIABLE = "WEAVE_EVAL_TEST_SNOWFLAKE_URL"
BIGQUERY_DIFFERENCES = (
    "does not recognise gzip in load jobs, so dlt's compression is switched off",
    "calls JSON columns STRING; JSON_TYPE answers varchar and double for string and number",
    "finds no rows where the real service reports an error: an unqualified table, a reserved word as a name",
    "accepts SET OPTIONS(description) and drops it; keeps descriptions set through the API, and shows them there only",
    "lets a MERGE pass whose source has several rows for one target row",
    "forgets CLUSTER BY",
)
SNOWFLAKE_DIFFERENCES = (
    "a NULL timestamp is fetched as 1970-01-01, though IS NULL finds it",
    "calls TIMESTAMP_LTZ columns TIMESTAMP_TZ; TYPEOF answers JSON for every kind of value",
    "drops comments in CREATE TABLE and on views; keeps COMMENT ON TABLE and COMMENT ON COLUMN",
    "lets a MERGE pass whose source has several rows for one target row",
)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Warehouse]:
    """A real Postgres."""
    server = Postgres.start()
    yield Warehouse(
        name="postgres",
        destination=lambda: dlt.destinations.postgres(server.url),
        environment={"DESTINATION__POSTGRES__CREDENTIALS": server.url},
        # Without the driver's name SQLAlchemy 2.1 means psycopg 3.
        sqlalchemy_url=re.sub(r"^postgres(ql)?://", "postgresql+psycopg2://", server.url),
    )
    server.stop()


@pytest.fixture(scope="session")
def bigquery() -> Iterator[Warehouse]:
    """BigQuery where its credentials are given, or else its stand-in."""
    if credentials := os.environ.get(BIGQUERY_VARIABLE):
        yield _bigquery(credentials)
        return
    server = BigQuery.start()
    yield _bigquery(server.credentials, server.environment, BIGQUERY_DIFFERENCES)
    server.stop()


@pytest.fixture(scope="session")
def snowflake() -> Iterator[Warehouse]:
    """Snowflake where its URL is given, or else its stand-in."""
    if url := os.environ.get(SNOWFLAKE_VARIABLE):
        yield _snowflake(url, {})
        return
    server = Snowflake.start()
    yield _snowflake(server.url, server.address, SNOWFLAKE_DIFFERENCES)
    server.stop()


@pytest.fixture
def duckdb(tmp_path: Path) -> Warehouse:
    """A DuckDB file of the test's own."""
    return duckdb_file(tmp_path / "warehouse.duckdb")


def duckdb_file(path: Path) -> Warehouse:
    """A DuckDB file as a warehouse."""
    return Warehouse(
        name="duckdb",
        destination=lambda: dlt.destinations.duckdb(str(path)),
        environment={"DESTINATION__DUCKDB__CREDENTIALS": str(path)},
        sqlalchemy_url=f"duckdb:///{path}",
    )


EACH_WAREHOUSE = [
    "duckdb",
    "postgres",
    pytest.param("bigquery", marks=pytest.mark.slow),
    pytest.param("snowflake", marks=pytest.mark.slow),
]


@pytest.fixture(params=EACH_WAREHOUSE)
def warehouse(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    """Each warehouse in turn, with its environment variables set."""
    chosen: Warehouse = request.getfixturevalue(request.param)
    for variable, value in chosen.environment.items():
        monkeypatch.setenv(variable, value)
    return chosen


def _bigquery(
    credentials: str, environment: dict[str, str] | None = None, differences: tuple[str, ...] = ()
) -> Warehouse:
    encoded = base64.urlsafe_b64encode(credentials.encode()).decode()
    return Warehouse(
        name="bigquery",
        destination=lambda: dlt.destinations.bigquery(credentials=_service_account(credentials)),
        environment={"DESTINATION__BIGQUERY__CREDENTIALS": credentials, **(environment or {})},
        sqlalchemy_url=f"bigquery://{json.loads(credentials)['project_id']}?credentials_base64={encoded}",
        differences=differences,
    )


def _service_account(credentials: str) -> GcpServiceAccountCredentials:
    account = GcpServiceAccountCredentials()
    account.parse_native_representation(credentials)
    return account


def _snowflake(url: str, address: Mapping[str, str | int], differences: tuple[str, ...] = ()) -> Warehouse:
    dlt_url = f"{url}&{urlencode(address)}" if address else url
    return Warehouse(
        name="snowflake",
        destination=lambda: dlt.destinations.snowflake(dlt_url),
        environment={
            "DESTINATION__SNOWFLAKE__CREDENTIALS": dlt_url,
            # The driver would ask the clouds' metadata addresses where it runs.
            "SNOWFLAKE_DISABLE_PLATFORM_DETECTION": "true",
        },
        sqlalchemy_url=url,
        sqlalchemy_arguments=address,
        differences=differences,
    )
