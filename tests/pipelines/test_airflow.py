"""The Airflow DAG, run by Airflow itself: into a real Postgres, from W&B's own server code."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import make_url

from tests.pipelines.airflow_home import Airflow, AirflowHome, Run
from tests.stand_ins.warehouse import Warehouse
from tests.weave_server.process import WeaveServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SUPPORT, SEARCH, BUSY, CLOSED = "acme/support-bot", "acme/search", "acme/busy", "acme/closed"
RUNS = {SUPPORT: 3, SEARCH: 2, BUSY: 1, CLOSED: 1}
DAY, NEXT_DAY = "2026-10-02T00:00:00Z", "2026-10-03T00:00:00Z"
PASSWORD = "p@ss/word:%"  # the server lets everybody in

LOOK = """
import json, sys, time
from airflow.models import DagBag
began = time.perf_counter()
bag = DagBag(sys.argv[1])
seconds = time.perf_counter() - began
def task(one):
    return {
        "retries": one.retries,
        "is_backing_off": bool(one.retry_exponential_backoff),
        "seconds": one.execution_timeout.total_seconds(),
        "upstream": sorted(one.upstream_task_ids),
    }
def look(dag):
    return {
        "schedule": dag.timetable.expression,
        "catchup": dag.catchup,
        "max_active_runs": dag.max_active_runs,
        "verify": dag.params["verify"],
        "tasks": {one.task_id: task(one) for one in dag.tasks},
    }
heavy = {"dlt", "duckdb", "pyarrow", "pandas", "scipy", "weave_eval"} & set(sys.modules)
found = {"errors": bag.import_errors, "heavy": sorted(heavy), "seconds": seconds}
print(json.dumps({**found, "dags": {name: look(dag) for name, dag in bag.dags.items()}}))
"""

SERVICE_ACCOUNT = {"project_id": "my-lake", "private_key": "a key", "client_email": "loader@my-lake.example"}
CONNECTIONS = {
    "postgres": {
        "conn_type": "postgres",
        "host": "pg.example",
        "port": 5433,
        "schema": "analytics",
        "login": "loader",
        "password": PASSWORD,
        "extra": json.dumps({"sslmode": "require"}),
    },
    "snowflake": {
        "conn_type": "snowflake",
        "login": "loader",
        "password": PASSWORD,
        "schema": "PUBLIC",
        "extra": json.dumps({"account": "my-account", "database": "LAKE", "warehouse": "LOADING", "role": "A_ROLE"}),
    },
    "bigquery": {
        "conn_type": "google_cloud_platform",
        "extra": json.dumps({"keyfile_dict": json.dumps({"type": "service_account", **SERVICE_ACCOUNT})}),
    },
}

CREDENTIALS = """
import json, sys
from airflow.sdk import Connection
from dags.weave_eval_dag import _credentials
from weave_eval import Profile
for kind, fields in json.loads(sys.argv[1]).items():
    given = _credentials(Connection(conn_id="weave_warehouse", **fields))
    found = Profile(kind, kind, "weave", {"credentials": given}).location().credentials
    print(json.dumps(dict(found), default=str))
"""

FOLLOWER = """
from datetime import datetime, timezone
from airflow.sdk import Asset, dag, task

def follow(name):
    asset = Asset(f"weave_eval/acme/{name}")

    @dag(dag_id=f"after_{name}", schedule=asset, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc))
    def after():
        @task
        def loaded(triggering_asset_events=None):
            return [event.extra["runs_read"] for event in triggering_asset_events[asset]]

        loaded()

    after()

for name in ("support-bot", "busy", "closed"):
    follow(name)
"""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh Airflow's database."""
    home = AirflowHome.make(tmp_path_factory.mktemp("airflow") / "new")
    done = home.airflow("db", "migrate")
    assert done.code == 0, done.output
    return home.folder / "airflow.db"


@pytest.fixture
def projects(server: WeaveServer) -> WeaveServer:
    """Four projects: of two, the results cannot be read."""
    for project, runs in RUNS.items():
        server.bulk(project, runs=runs, rows=2, start="2026-10-01T00:00:00+00:00", seconds_apart=86_400)
    server.add_faults({"kind": "503", "match": BUSY}, {"kind": "403", "match": CLOSED})
    return server


@dataclasses.dataclass(frozen=True)
class Target:
    """A dataset of a warehouse that the DAG loads to."""

    warehouse: Warehouse
    dataset: str

    def runs(self) -> dict[str, int]:
        """Runs that have results, by project."""
        trials = self.warehouse.table(self.dataset, "trials")
        return dict(self.warehouse.rows(f"SELECT project_id, count(DISTINCT run_id) FROM {trials} GROUP BY 1"))

    def connection(self) -> dict[str, Any]:
        """The fields of a Connection."""
        url = make_url(self.warehouse.sqlalchemy_url)
        place = {"host": url.host, "port": url.port, "schema": url.database}
        return {"conn_type": "postgres", **place, "login": url.username, "password": PASSWORD}


@pytest.fixture
def target(postgres: Warehouse) -> Target:
    return Target(postgres, postgres.new_dataset())


@pytest.fixture
def home(database: Path, target: Target, tmp_path: Path) -> AirflowHome:
    """Airflow with the DAG file and `destinations.toml`, as a user copies them."""
    home = AirflowHome.make(tmp_path / "airflow", SOURCES__WEAVE_EVAL__RETRY_BUDGET_SECONDS="1")
    shutil.copy(database, home.folder)
    profiles = home.folder / "dags" / "destinations.toml"
    profiles.write_text(profiles.read_text().replace('dataset = "weave"', f'dataset = "{target.dataset}"'))
    return home


def weave_connection(server: WeaveServer) -> dict[str, Any]:
    return {"conn_type": "http", "password": server.key, "host": server.url}


def test_the_file_is_light_and_declares_what_a_scheduler_needs(home: AirflowHome) -> None:
    (home.folder / "look.py").write_text(LOOK)
    done = home.python("look.py", str(home.folder / "dags"))
    found = json.loads(done.output.splitlines()[-1])
    assert found["errors"] == {}
    assert found["heavy"] == []
    hourly, nightly = found["dags"]["weave_eval"], found["dags"]["weave_eval_nightly"]
    assert (hourly["schedule"], hourly["verify"]) == ("17 * * * *", False)
    assert (nightly["schedule"], nightly["verify"]) == ("47 3 * * *", True)
    for dag in (hourly, nightly):
        assert (dag["catchup"], dag["max_active_runs"]) == (False, 1)
        patience = {"retries": 3, "is_backing_off": True, "seconds": 3600.0}
        tasks = {"projects": [], "project.load": ["projects"], "project.verify": ["project.load"]}
        assert dag["tasks"] == {name: {**patience, "upstream": upstream} for name, upstream in tasks.items()}


def test_connections_are_what_dlt_calls_credentials(home: AirflowHome) -> None:
    (home.folder / "credentials.py").write_text(CREDENTIALS)
    done = home.python("credentials.py", json.dumps(CONNECTIONS))
    postgres, snowflake, bigquery = (json.loads(line) for line in done.output.splitlines() if line.startswith("{"))
    user = {"username": "loader", "password": PASSWORD}
    place = {"host": "pg.example", "port": 5433, "database": "analytics", "query": {"sslmode": "require"}}
    assert postgres.items() >= {**user, **place}.items()
    place = {"host": "my-account", "database": "LAKE", "warehouse": "LOADING", "role": "A_ROLE"}
    assert snowflake.items() >= {**user, **place}.items()
    assert bigquery.items() >= {**SERVICE_ACCOUNT, "private_key": "a key\n"}.items()


def test_one_project_fails_and_the_others_are_loaded(home: AirflowHome, projects: WeaveServer, target: Target) -> None:
    """With `airflow dags test`, all secrets in the environment."""
    connections = {"weave_default": weave_connection(projects), "weave_warehouse": target.connection()}
    variables = {f"AIRFLOW_CONN_{name.upper()}": json.dumps(fields) for name, fields in connections.items()}
    conf = json.dumps({"projects": [SUPPORT, CLOSED, SEARCH], "verify": True})
    done = home.having(variables).airflow("dags", "test", "weave_eval", "--conf", conf)
    assert done.code == 1, done.output
    assert target.runs() == {SUPPORT: 3, SEARCH: 2}
    assert "acme/closed/eval_results/query) failed: this API key has no access to it" in done.output
    assert "up_for_retry" not in done.output
    assert PASSWORD not in done.output


def test_a_running_airflow(home: AirflowHome, projects: WeaveServer, target: Target) -> None:
    """Params, names, retries, a second run, a range, results, assets and secrets, under the scheduler."""
    (home.folder / "dags" / "followers.py").write_text(FOLLOWER)
    home = home.having({"SOURCES__WEAVE_EVAL__PROJECTS": json.dumps(list(RUNS))}).without_schedules()
    with home.running() as airflow:
        airflow.until(lambda: airflow.get("dags")["total_entries"] == 5, "the DAGs are there")
        airflow.add_connection("weave_default", **weave_connection(projects))
        airflow.add_connection("weave_warehouse", **target.connection())
        refuses_wrong_params(airflow)
        first = loads_what_can_be_loaded(airflow, target)
        second = airflow.run("weave_eval", projects=[SUPPORT], since=DAY, until=NEXT_DAY, verify=True)
        projects.clear_faults()
        runs_one_after_the_other(first, second)
        assert target.runs() == {SUPPORT: 3, SEARCH: 2, BUSY: 1}
        assert second.result("project.load", SUPPORT)["runs_read"] == 1
        assert second.result("project.verify", SUPPORT)["is_clean"] is True
        is_followed(airflow, {"support-bot": [[3], [1]], "busy": [[1]], "closed": []})
    logs = airflow.logs()
    assert "/execution/connections/" in logs
    assert "/execution/variables/" not in logs
    for secret in (projects.key, PASSWORD, quote(PASSWORD, safe="")):
        assert secret not in logs


def refuses_wrong_params(airflow: Airflow) -> None:
    wrong: list[dict[str, Any]] = [{"projects": ["acme"]}, {"since": "yesterday"}, {"verify": "maybe"}]
    for params in wrong:
        refused = airflow.trigger("weave_eval", **params)
        assert refused.status_code == 400
        assert next(iter(params)) in refused.text


def loads_what_can_be_loaded(airflow: Airflow, target: Target) -> Run:
    """A run of all projects; it goes on, as a project waits for its next attempt, without a name in the meantime."""
    run = airflow.run("weave_eval")
    waiting = {SUPPORT: "success", SEARCH: "success", "2": "up_for_retry", CLOSED: "failed"}
    airflow.until(lambda: run.states("project.load") == waiting, "what can be loaded is loaded")
    assert run.tasks("project.load")[CLOSED]["try_number"] == 1
    assert run.result("project.load", SEARCH)["runs_read"] == 2
    assert target.runs() == {SUPPORT: 3, SEARCH: 2}
    return run


def runs_one_after_the_other(first: Run, second: Run) -> None:
    seen = [(second.state, first.state)]
    assert seen == [("queued", "running")]
    first.clear("project.load", "2")

    def has_ended() -> bool:
        seen.append((second.state, first.state))
        return seen[-1][0] not in ("queued", "running")

    first.airflow.until(has_ended, "the second run ends")
    assert ("running", "running") not in seen
    assert seen[-1] == ("success", "failed")
    loaded = dict.fromkeys([SUPPORT, SEARCH, BUSY], "success")
    assert first.states("project.load") == {**loaded, CLOSED: "failed"}
    assert set(first.states("project.verify").values()) == {"skipped", "upstream_failed"}


def is_followed(airflow: Airflow, runs_read: dict[str, list[list[int]]]) -> None:
    """What each run of the DAGs that follow a project was told."""

    def told() -> dict[str, list[Any]]:
        return {name: airflow.results(f"after_{name}", "loaded") for name in runs_read}

    airflow.until(lambda: told() == runs_read, "the projects are followed")
