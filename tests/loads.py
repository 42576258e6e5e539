"""Loads of a project into a DuckDB file, as the command line makes them, and runs to load."""

from __future__ import annotations

import dataclasses
from collections import Counter
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from tests.tables_of import Tables, lasting, tables_of
from tests.weave_server.fixtures import PROJECT
from tests.weave_server.process import KEY, WeaveServer
from weave_eval import LoadOptions, LoadResult, load_project, resolve_settings
from weave_eval.settings import Settings
from weave_eval.warehouse.profiles import Profile


@dataclasses.dataclass(frozen=True)
class Place:
    """A DuckDB file in `folder` that a project is loaded into, with dlt's working folder beside it."""

    server: WeaveServer
    project: str
    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / "warehouse.duckdb"

    @property
    def profile(self) -> Profile:
        return Profile("duckdb", "duckdb", "weave", {"credentials": str(self.file)})

    def settings(self, **changed: Any) -> Settings:
        own = {"project": self.project, "api_key": KEY, "base_url": self.server.url}
        return resolve_settings(**{**own, **changed})

    def load(self, *, is_full: bool = False, machine: str = "machine", **changed: Any) -> LoadResult:
        """Loads; `machine` names dlt's working folder, `changed` are settings of the source."""
        options = LoadOptions(pipelines_dir=str(self.folder / machine), is_full=is_full)
        return load_project(self.settings(**changed), self.profile, options)

    def tables(self) -> Tables:
        return tables_of(self.file)

    def lasting(self) -> Tables:
        """The tables without what differs from load to load."""
        return lasting(self.tables())

    def statuses(self) -> dict[str, str]:
        """Status of each run of the project, by id."""
        runs = self.tables().get("evaluation_runs", [])
        return {run["run_id"]: run["status"] for run in runs if run["project_id"] == self.project}

    def trial_counts(self) -> Counter[str]:
        """Trials of each run, by its id."""
        return Counter(trial["run_id"] for trial in self.tables()["trials"])


@pytest.fixture
def place(server: WeaveServer, tmp_path: Path) -> Place:
    """A place for the project to be loaded into; nothing is there yet, nor in Weave."""
    return Place(server, PROJECT, tmp_path)


@dataclasses.dataclass(frozen=True)
class LiveRun:
    """A run that is written through the v2 API while it is watched."""

    server: WeaveServer
    project: str
    run_id: str

    @classmethod
    def start(cls, server: WeaveServer, project: str, name: str = "live") -> LiveRun:
        dataset = _post(server, project, "datasets", {"name": f"{name}-rows", "rows": [{"seat": name}]})
        evaluation = {
            "name": f"{name}-evaluation",
            "dataset": f"weave:///{project}/object/{dataset['object_id']}:{dataset['digest']}",
            "scorers": [],
            "trials": 1,
        }
        model = {"name": f"{name}-model", "source_code": f"class Model: {name!r}"}
        refs = {
            "evaluation": _post(server, project, "evaluations", evaluation)["evaluation_ref"],
            "model": _post(server, project, "models", model)["model_ref"],
        }
        made = _post(server, project, "evaluation_runs", refs)
        return cls(server, project, str(made["evaluation_run_id"]))

    @property
    def call(self) -> dict[str, Any]:
        (found,) = self.server.calls(self.project, call_ids=[self.run_id])
        return found

    def add_trial(self, inputs: Any, output: Any) -> None:
        body = {
            "model": self.call["inputs"]["model"],
            "inputs": inputs,
            "output": output,
            "evaluation_run_id": self.run_id,
        }
        made = _post(self.server, self.project, "predictions", body)
        _post(self.server, self.project, f"predictions/{made['prediction_id']}/finish", {})

    def finish(self, **summary: Any) -> None:
        _post(self.server, self.project, f"evaluation_runs/{self.run_id}/finish", {"summary": summary})

    def rename(self, name: str) -> None:
        body = {"project_id": self.project, "call_id": self.run_id, "display_name": name}
        self.server.api("POST", "/call/update", body).raise_for_status()

    def delete_trials(self) -> None:
        trials = [call["id"] for call in self.server.calls(self.project, parent_ids=[self.run_id])]
        delete_calls(self.server, self.project, *trials)


def delete_calls(server: WeaveServer, project: str, *call_ids: str) -> None:
    body = {"project_id": project, "call_ids": list(call_ids)}
    server.api("POST", "/calls/delete", body).raise_for_status()


def _post(server: WeaveServer, project: str, route: str, body: dict[str, Any]) -> Any:
    response = server.api("POST", f"/v2/{project}/{route}", body)
    response.raise_for_status()
    return response.json()


def days_ago(days: float) -> str:
    """A time in the past, ISO 8601."""
    return (datetime.now(timezone.utc) - timedelta(days=days)).isoformat()


def is_page(request: dict[str, Any]) -> bool:
    """Whether a logged request asked for a page of results in words that its server knows."""
    is_asked = "eval_results" in request["path"] and request["body"].get("include_rows", True)
    return is_asked and request["status"] != 422


def is_summary(request: dict[str, Any]) -> bool:
    """Whether a logged request asked for a run's summary."""
    return "eval_results" in request["path"] and request["body"].get("include_summary", False)


def is_listing(request: dict[str, Any]) -> bool:
    """Whether a logged request listed runs."""
    return "stream_query" in request["path"] and "op_names" in (request["body"].get("filter") or {})


def is_trial_calls(request: dict[str, Any]) -> bool:
    """Whether a logged request asked for the times and errors of trials."""
    return "stream_query" in request["path"] and "trace_ids" in (request["body"].get("filter") or {})


def runs_read(server: WeaveServer) -> set[str]:
    """Ids of the runs whose results were asked for."""
    return {run_id for entry in server.requests("eval_results") for run_id in entry["body"]["evaluation_call_ids"]}


def is_count(entry: dict[str, Any]) -> bool:
    return str(entry["path"]).endswith("calls/query_stats")


def kinds(server: WeaveServer) -> dict[str, int]:
    """How many requests of each kind were made for runs and their results."""
    tests = {
        "listing": is_listing, "trial_calls": is_trial_calls, "page": is_page, "summary": is_summary, "count": is_count,
    }  # fmt: skip
    counted = Counter(name for entry in server.requests() for name, is_kind in tests.items() if is_kind(entry))
    return dict(counted)
