"""A Weave project whose runs are made and changed in every way that users change them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.loads import LiveRun, days_ago, delete_calls
from tests.weave_server import damage
from tests.weave_server.process import WeaveServer
from weave_eval.times import parse_time

AGES = (1 / 24, 2.0, 5.0, 20.0, 40.0)
"""How many days ago runs start: recently, before runs count as abandoned, behind the lookback."""

LOOKED_BACK = 13


@dataclass(frozen=True)
class Change:
    """One change of a project: what is done, to `which` of its runs and their parts, and how much of it."""

    what: str
    which: int
    size: int


@dataclass
class Project:
    """A project that starts empty."""

    server: WeaveServer
    name: str
    runs: list[str] = field(default_factory=list)
    _scorer: str = ""

    def apply(self, change: Change) -> None:
        """Does it, to a run that is there; nothing if there is none."""
        if change.what in MAKING:
            self.runs.append(MAKING[change.what](self, change))
        elif self.runs:
            run_id = self.runs[change.which % len(self.runs)]
            CHANGING[change.what](self, LiveRun(self.server, self.name, run_id), change)

    def call_ids(self) -> set[str]:
        """Ids of all calls that are there."""
        return {call["id"] for call in self.server.calls(self.name)}

    def recent(self) -> set[str]:
        """Ids of the runs that started inside the lookback, which a load lists."""
        calls = self.server.calls(self.name, call_ids=self.runs) if self.runs else []
        return {call["id"] for call in calls if parse_time(call["started_at"]) > parse_time(days_ago(LOOKED_BACK))}

    def trials(self, run: LiveRun) -> list[str]:
        return damage.trial_ids(self.server, self.name, run.run_id)

    def predictions(self, run: LiveRun) -> list[str]:
        """Ids of the predictions in the run's trials, by trial."""
        trials = self.trials(run)
        calls = self.server.calls(self.name, parent_ids=trials) if trials else []
        found = {call["parent_id"]: call["id"] for call in calls if ".predict" in call["op_name"]}
        return [found[trial] for trial in trials if trial in found]

    def post(self, route: str, body: dict[str, Any]) -> Any:
        answer = self.server.api("POST", route if route.startswith("/") else f"/v2/{self.name}/{route}", body)
        answer.raise_for_status()
        return answer.json()

    @property
    def scorer(self) -> str:
        """Ref of the scorer that scores late."""
        if not self._scorer:
            made = self.post("scorers", {"name": "late", "op_source_code": "def late(output): ..."})
            self._scorer = str(made["scorer"])
        return self._scorer


def _log(project: Project, change: Change) -> str:
    (run_id,) = project.server.bulk(project.name, runs=1, **_order(change))
    return run_id


def _log_open(project: Project, change: Change) -> str:
    (run_id,) = project.server.bulk(project.name, runs=1, is_finished=False, is_sdk_style=False, **_order(change))
    return run_id


def _order(change: Change) -> dict[str, Any]:
    size = change.size
    return {
        "rows": 1 + size % 3,
        "trials": 1 + size % 2,
        "scorers": size % 3,
        "start": days_ago(AGES[change.which % len(AGES)]),
        "name": f"set-{change.which % 2}",
        "is_dataset_backed": size % 4 != 0,
    }


def _start(project: Project, change: Change) -> str:
    return LiveRun.start(project.server, project.name, f"live-{change.which % 2}").run_id


def _grow(_: Project, run: LiveRun, change: Change) -> None:
    run.add_trial({"seat": change.size}, f"seat {change.size}")


def _begin(project: Project, run: LiveRun, change: Change) -> None:
    body = {"model": run.call["inputs"]["model"], "inputs": {"seat": change.size}, "output": change.size}
    project.post("predictions", {**body, "evaluation_run_id": run.run_id})


def _end(project: Project, run: LiveRun, change: Change) -> None:
    predictions = project.predictions(run)
    if predictions:
        project.post(f"predictions/{predictions[change.size % len(predictions)]}/finish", {})


def _score(project: Project, run: LiveRun, change: Change) -> None:
    predictions = project.predictions(run)
    if predictions:
        prediction = predictions[change.size % len(predictions)]
        body = {"prediction_id": prediction, "scorer": project.scorer, "value": change.size / 8}
        project.post("scores", {**body, "evaluation_run_id": run.run_id})


def _note(project: Project, run: LiveRun, change: Change) -> None:
    calls = [run.run_id, *project.trials(run)]
    ref = f"weave:///{project.name}/call/{calls[change.size % len(calls)]}"
    note = {"feedback_type": "wandb.note.1", "payload": {"note": f"note {change.size}"}}
    project.post("/feedback/create", {"project_id": project.name, "weave_ref": ref, **note})


def _shrink(project: Project, run: LiveRun, change: Change) -> None:
    trials = project.trials(run)
    if trials:
        delete_calls(project.server, project.name, trials[change.size % len(trials)])


def _swap(project: Project, run: LiveRun, change: Change) -> None:
    """One trial goes, another comes."""
    _shrink(project, run, change)
    _grow(project, run, change)


def _empty(project: Project, run: LiveRun, _: Change) -> None:
    if project.trials(run):
        run.delete_trials()


def _finish(_: Project, run: LiveRun, change: Change) -> None:
    run.finish(score=change.size / 8)


def _fail(project: Project, run: LiveRun, change: Change) -> None:
    fields = {"exception": f"Failure {change.size}", "ended_at": days_ago(0)}
    project.server.patch_call(project.name, run.run_id, **fields)


def _rename(_: Project, run: LiveRun, change: Change) -> None:
    run.rename(f"name {change.size}")


def _delete(project: Project, run: LiveRun, _: Change) -> None:
    project.runs.remove(run.run_id)
    delete_calls(project.server, project.name, run.run_id)


MAKING: dict[str, Callable[[Project, Change], str]] = {"log": _log, "log open": _log_open, "start": _start}
CHANGING: dict[str, Callable[[Project, LiveRun, Change], None]] = {
    "grow": _grow,
    "begin": _begin,
    "end": _end,
    "score": _score,
    "note": _note,
    "shrink": _shrink,
    "swap": _swap,
    "empty": _empty,
    "finish": _finish,
    "fail": _fail,
    "rename": _rename,
    "delete": _delete,
}
