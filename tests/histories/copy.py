"""The copy of a project in a warehouse, and how it is compared with a fresh one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.contract.place import Landing, Reference, comparable
from tests.histories.history import History, Kind, Step
from tests.histories.project import Project
from tests.histories.upstream import Upstream
from tests.loads import days_ago
from tests.tables_of import Tables, ordered
from tests.weave_server.process import KEY
from weave_eval import LoadOptions, LoadResult, Verified, load_project, resolve_settings, verify_project
from weave_eval.cli.interruption import Interruption
from weave_eval.errors import WeaveEvalError
from weave_eval.settings import Settings

OBJECTS = ("evaluations", "models", "datasets", "scorers")
PLACE_OF_FEEDBACK = ("run_id", "trial_id", "row_digest")


@dataclass(frozen=True)
class Copy(Landing):
    """A dataset that a project is loaded into through `upstream`, where things happen meanwhile."""

    upstream: Upstream
    history: History

    def settings(self, **changed: Any) -> Settings:
        """The settings of the history; what fails is tried once more at most."""
        chosen = {name: getattr(self.history, name) for name in ("deleted_runs", "package_runs", "page_rows")}
        chosen |= {
            "with_predictions": self.history.with_predictions,
            "retry_budget_seconds": 0.05,
            "confirm_deletions": 1000,
            **changed,
        }
        return resolve_settings(project=self.project, api_key=KEY, base_url=self.upstream.url, **chosen)

    def do(self, step: Step, project: Project) -> None:
        """A step of the history; its load may fail, or be interrupted."""
        for change in step.before:
            project.apply(change)
        during = [(request, _Doing(project, change)) for request, change in step.during]
        with self.upstream.meanwhile(during, step.down_from), contextlib.suppress(WeaveEvalError, Interruption):
            self._execute(step.kind, project, interrupt_after(step.interrupted_after))

    def _execute(self, kind: Kind, project: Project, progress: Callable[[int, int], None]) -> None:
        if kind == "verify":
            self.verify(progress)
        elif kind == "some":
            self.load_quietly(progress, run_ids=project.runs[-2:], since=None if project.runs else days_ago(3))
        else:
            self.load_quietly(progress, is_full=kind == "full")

    def load_quietly(
        self, progress: Callable[[int, int], None] | None = None, *, is_full: bool = False, **changed: Any
    ) -> LoadResult:
        return load_project(self.settings(**changed), self.profile, self._options(progress, is_full=is_full))

    def verify(self, progress: Callable[[int, int], None] | None = None) -> Verified:
        return verify_project(self.settings(), self.profile, self._options(progress))

    def _options(self, progress: Callable[[int, int], None] | None, *, is_full: bool = False) -> LoadOptions:
        return LoadOptions(pipelines_dir=str(self.folder / "machine"), progress=progress, is_full=is_full)


@dataclass(frozen=True)
class _Doing:
    """A change that waits for its moment."""

    project: Project
    change: Any

    def __call__(self) -> None:
        self.project.apply(self.change)


def interrupt_after(runs: int | None) -> Callable[[int, int], None]:
    """A progress that interrupts a load once it has read so many runs."""

    def progress(done: int, _: int) -> None:
        if done == runs:
            raise Interruption

    return progress


@dataclass(frozen=True)
class Fresh(Reference):
    """A DuckDB file that a project is loaded into from `url`."""

    url: str

    def settings(self, **changed: Any) -> Settings:
        return resolve_settings(project=self.project, api_key=KEY, base_url=self.url, **changed)


def fresh_tables(copy: Copy, folder: Path) -> Tables:
    """What a load of the project into an empty warehouse gives."""
    folder.mkdir()
    fresh = Fresh(copy.server, copy.project, folder, copy.upstream.url)
    fresh.load(with_predictions=copy.history.with_predictions)
    return comparable(fresh)


def of_living(tables: Tables, call_ids: set[str]) -> Tables:
    """The tables without what Weave no longer has: deleted runs and their rows, inputs and versions that none of the
    others names, and the places of feedback on calls that are gone."""
    gone = {run["run_id"] for run in tables.get("evaluation_runs", []) if run["deleted_at"]}
    kept = {name: [row for row in rows if row.get("run_id") not in gone] for name, rows in tables.items()}
    kept["feedback"] = [_placed(row, call_ids) for row in tables.get("feedback", [])]
    used = {row["row_digest"] for row in kept.get("result_rows", [])}
    kept["dataset_rows"] = [row for row in tables.get("dataset_rows", []) if row["row_digest"] in used]
    named = _named(kept)
    for name in OBJECTS:
        kept[name] = [row for row in tables.get(name, []) if row["ref"] in named]
    return {name: ordered(rows) for name, rows in kept.items()}


def _placed(row: dict[str, Any], call_ids: set[str]) -> dict[str, Any]:
    return row if row["call_id"] in call_ids else {**row, **dict.fromkeys(PLACE_OF_FEEDBACK)}


def _named(tables: Tables) -> set[str]:
    """Refs that runs name, and that the evaluations which they name name in turn."""
    runs = tables.get("evaluation_runs", [])
    named = {run[name] for run in runs for name in ("evaluation_ref", "model_ref")}
    evaluations = [row for row in tables.get("evaluations", []) if row["ref"] in named]
    datasets = {row["dataset_ref"] for row in evaluations}
    return named | datasets | {ref for row in evaluations for ref in row["scorer_refs"] or ()}
