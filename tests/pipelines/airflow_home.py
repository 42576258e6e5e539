"""An Airflow of the tests' own: a folder with its database, DAGs and logs, and the programs that run them."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import requests

from tests.checkout import CHECKOUT
from tests.stand_ins.environments import python_of
from tests.stand_ins.server import free_port

DAG_FILE = CHECKOUT / "pipelines" / "airflow" / "weave_eval_dag.py"
PROFILES = CHECKOUT / "destinations.toml"
CRON = re.compile(r'"\d+ [\d*]+ \* \* \*"')
START_SECONDS = 150.0
WAIT_SECONDS = 240.0
RUN_SECONDS = 150.0
STOP_SECONDS = 10.0

Json = dict[str, Any]


@dataclass(frozen=True)
class Done:
    """What a program has written, and its exit code."""

    code: int
    output: str


@dataclass(frozen=True)
class AirflowHome:
    """A folder with the DAG file as it is copied by a user, and the `environment` that Airflow runs in."""

    folder: Path
    environment: Mapping[str, str]

    @classmethod
    def make(cls, folder: Path, **more: str) -> AirflowHome:
        """Copies the DAG file and `destinations.toml`; `more` are environment variables of the tasks."""
        dags = folder / "dags"
        dags.mkdir(parents=True)
        shutil.copy(DAG_FILE, dags)
        shutil.copy(PROFILES, dags)
        return cls(
            folder,
            {
                "AIRFLOW_HOME": str(folder),
                "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
                "AIRFLOW__CORE__FERNET_KEY": "",
                "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
                "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
                "AIRFLOW__API_AUTH__JWT_SECRET": "a secret of the tests, long enough, the same for all programs",
                "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
                "NO_PROXY": "127.0.0.1",
                "no_proxy": "127.0.0.1",
                **more,
            },
        )

    def having(self, environment: Mapping[str, str]) -> AirflowHome:
        """The same, with more environment variables."""
        return replace(self, environment={**self.environment, **environment})

    def without_schedules(self) -> AirflowHome:
        """The same, with DAGs that run when they are triggered only."""
        file = self.folder / "dags" / DAG_FILE.name
        text, count = CRON.subn("None", file.read_text())
        assert count == 2
        file.write_text(text)
        return self

    def python(self, *arguments: str) -> Done:
        """Runs the Python of Airflow's environment to its end. Raises TimeoutExpired after `RUN_SECONDS`."""
        command = [str(python_of("airflow")), *arguments]
        environment = {**os.environ, **self.environment}
        log = self.folder / "output.log"
        with log.open("w") as output:
            done = subprocess.run(
                command,
                env=environment,
                cwd=self.folder,
                stdout=output,
                stderr=output,
                timeout=RUN_SECONDS,
                check=False,
            )
        return Done(done.returncode, log.read_text())

    def airflow(self, *arguments: str) -> Done:
        """Runs a command of Airflow's command line."""
        return self.python("-m", "airflow", *arguments)

    @contextmanager
    def program(self, name: str, environment: Mapping[str, str]) -> Iterator[None]:
        """One of Airflow's programs; it ends with all processes that it has started."""
        command = [str(python_of("airflow")), "-m", "airflow", name]
        with (self.folder / f"{name}.log").open("w") as log:
            process = subprocess.Popen(
                command,
                env={**os.environ, **environment},
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    @contextmanager
    def running(self) -> Iterator[Airflow]:
        """Airflow itself: API server, scheduler with its executor, and DAG processor."""
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        environment = {
            **self.environment,
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(port),
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
            "AIRFLOW__CORE__PARALLELISM": "2",
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "3600",
        }
        with ExitStack() as stack:
            for program in ("api-server", "scheduler", "dag-processor"):
                stack.enter_context(self.program(program, environment))
            airflow = Airflow(self.folder, url, requests.Session())
            airflow.sign_in()
            yield airflow


@dataclass(frozen=True)
class Airflow:
    """A running Airflow, as its REST API shows it."""

    folder: Path
    url: str
    session: requests.Session

    def sign_in(self) -> None:
        """Waits until the API answers, and takes its token."""
        self.session.trust_env = False
        self.until(self._answers, "the API answers", START_SECONDS)
        token = self.session.get(f"{self.url}/auth/token", timeout=60).json()["access_token"]
        self.session.headers["Authorization"] = f"Bearer {token}"

    def _answers(self) -> bool:
        try:
            return self.session.get(f"{self.url}/api/v2/version", timeout=5).ok
        except requests.RequestException:
            return False

    def api(self, method: str, path: str, body: Json | None = None, **query: Any) -> requests.Response:
        return self.session.request(method, f"{self.url}/api/v2/{path}", json=body, params=query, timeout=60)

    def get(self, path: str, **query: Any) -> Json:
        response = self.api("GET", path, **query)
        assert response.ok, response.text
        found: Json = response.json()
        return found

    def add_connection(self, name: str, **fields: Any) -> None:
        response = self.api("POST", "connections", {"connection_id": name, **fields})
        assert response.ok, response.text

    def trigger(self, dag: str, **params: Any) -> requests.Response:
        return self.api("POST", f"dags/{dag}/dagRuns", {"logical_date": None, "conf": params})

    def run(self, dag: str, **params: Any) -> Run:
        """Triggers a run."""
        response = self.trigger(dag, **params)
        assert response.ok, response.text
        return Run(self, dag, response.json()["dag_run_id"])

    def results(self, dag: str, task: str) -> list[Any]:
        """What a task returned in each run of a DAG that succeeded, earliest first."""
        runs = self.get(f"dags/{dag}/dagRuns", order_by="run_after", state="success")["dag_runs"]
        return [Run(self, dag, run["dag_run_id"]).value(task) for run in runs]

    def until(self, is_done: Callable[[], Any], what: str, seconds: float = WAIT_SECONDS) -> None:
        """Waits until `is_done`; fails, with the end of the logs, if that takes longer than `seconds`."""
        deadline = time.monotonic() + seconds
        while not is_done():
            assert time.monotonic() < deadline, f"not in {seconds} s: {what}\n{self.logs()[-6000:]}"
            time.sleep(0.5)

    def logs(self) -> str:
        """What the programs and the tasks have written, those of the tasks last."""
        files = [*sorted(self.folder.glob("*.log")), *sorted(self.folder.glob("logs/**/*.log"))]
        return "\n".join(file.read_text(errors="replace") for file in files)


@dataclass(frozen=True)
class Run:
    """A run of a DAG."""

    airflow: Airflow
    dag: str
    run_id: str

    @property
    def path(self) -> str:
        return f"dags/{self.dag}/dagRuns/{self.run_id}"

    @property
    def state(self) -> str:
        return str(self.airflow.get(self.path)["state"])

    def tasks(self, task: str) -> dict[str, Json]:
        """The instances of a mapped task, by the name that the grid shows."""
        found = self.airflow.get(f"{self.path}/taskInstances", task_id=task)["task_instances"]
        return {one["rendered_map_index"] or str(one["map_index"]): one for one in found}

    def states(self, task: str) -> dict[str, str]:
        return {name: one["state"] for name, one in self.tasks(task).items()}

    def result(self, task: str, name: str) -> Json:
        """What a mapped task returned."""
        found: Json = self.value(task, self.tasks(task)[name]["map_index"])
        return found

    def value(self, task: str, map_index: int = -1) -> Any:
        """What a task returned."""
        place = f"{self.path}/taskInstances/{task}/xcomEntries/return_value"
        return self.airflow.get(place, map_index=map_index, deserialize=True)["value"]

    def clear(self, task: str, name: str) -> None:
        """Has a mapped task run again, at once."""
        index = self.tasks(task)[name]["map_index"]
        body = {"dry_run": False, "dag_run_id": self.run_id, "task_ids": [[task, index]], "only_failed": False}
        response = self.airflow.api("POST", f"dags/{self.dag}/clearTaskInstances", body)
        assert response.ok, response.text
