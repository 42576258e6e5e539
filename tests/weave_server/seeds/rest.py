"""Writes runs through the v2 REST API: `rest.py ENTITY/PROJECT`. Prints `{name: id}` as one line."""

import json
import os
import sys
from typing import Any

import requests


class Project:
    """The v2 API of one project."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.url = f"{os.environ['WF_TRACE_SERVER_URL']}/v2/{name}"
        self.session = requests.Session()
        self.session.auth = ("api", os.environ["WANDB_API_KEY"])

    def post(self, route: str, body: dict[str, Any] | None = None) -> Any:
        response = self.session.post(f"{self.url}/{route}", json=body or {}, timeout=30)
        response.raise_for_status()
        return response.json()

    def ref(self, made: dict[str, Any]) -> str:
        return f"weave:///{self.name}/object/{made['object_id']}:{made['digest']}"


class Suite:
    """One evaluation, one model and two scorers."""

    def __init__(self, project: Project) -> None:
        self.project = project
        rows = [{"ticket": 501, "text": "refund me"}, {"ticket": 502, "text": "where is it"}]
        dataset = project.post("datasets", {"name": "tickets", "description": "two tickets", "rows": rows})
        self.scorers = {name: self.scorer(name) for name in ("politeness", "resolved")}
        evaluation = {
            "name": "tickets-evaluation",
            "dataset": project.ref(dataset),
            "scorers": list(self.scorers.values()),
            "trials": 1,
        }
        self.evaluation = project.post("evaluations", evaluation)["evaluation_ref"]
        model = {"name": "helpdesk", "source_code": "class Helpdesk: ...", "attributes": {"tier": "gold"}}
        self.model = project.post("models", model)["model_ref"]

    def scorer(self, name: str) -> str:
        body = {"name": name, "op_source_code": f"def {name}(output): ..."}
        return str(self.project.post("scorers", body)["scorer"])

    def run(self, **more: Any) -> str:
        body = {"evaluation": self.evaluation, "model": self.model, **more}
        return str(self.project.post("evaluation_runs", body)["evaluation_run_id"])

    def predict(self, run: str, inputs: dict[str, Any], output: Any) -> str:
        body = {"model": self.model, "inputs": inputs, "output": output, "evaluation_run_id": run}
        return str(self.project.post("predictions", body)["prediction_id"])

    def score(self, run: str, prediction: str, scorer: str, value: Any) -> str:
        body = {
            "prediction_id": prediction,
            "scorer": self.scorers[scorer],
            "value": value,
            "evaluation_run_id": run,
        }
        return str(self.project.post("scores", body)["score_id"])

    def finish_prediction(self, prediction: str) -> None:
        self.project.post(f"predictions/{prediction}/finish")

    def finish(self, run: str, **summary: Any) -> None:
        self.project.post(f"evaluation_runs/{run}/finish", {"summary": summary})


def finished(suite: Suite) -> dict[str, str]:
    run = suite.run()
    first = suite.predict(run, {"ticket": 501, "text": "refund me"}, {"reply": "done", "cents": 1999})
    suite.score(run, first, "politeness", 0.71875)
    suite.score(run, first, "resolved", {"is_resolved": True, "steps": 3})
    suite.finish_prediction(first)
    second = suite.predict(run, {"ticket": 502, "text": "where is it"}, "on its way")
    suite.score(run, second, "politeness", 0.28125)
    suite.finish_prediction(second)
    suite.finish(run, mean_politeness=0.5, reviewer="rest-reviewer")
    late = suite.score(run, second, "resolved", {"is_resolved": False, "steps": 5})
    return {"v2": run, "v2_prediction": first, "late_score": late}


def running(suite: Suite) -> dict[str, str]:
    run = suite.run()
    ended = suite.predict(run, {"ticket": 503, "text": "hello?"}, "hi there")
    suite.score(run, ended, "politeness", 0.96875)
    suite.finish_prediction(ended)
    suite.predict(run, {"ticket": 504, "text": "thinking"}, "not finished")
    return {"v2_running": run}


def rescored(suite: Suite, source: str) -> dict[str, str]:
    run = suite.run(source_evaluation_run_id=source)
    again = suite.predict(run, {"ticket": 501, "text": "refund me"}, {"reply": "done", "cents": 1999})
    suite.score(run, again, "politeness", 0.65625)
    suite.finish_prediction(again)
    suite.finish(run, mean_politeness=0.65625)
    return {"rescored": run}


if __name__ == "__main__":
    tickets = Suite(Project(sys.argv[1]))
    made = finished(tickets)
    print(json.dumps({**made, **running(tickets), **rescored(tickets, made["v2"])}))
