"""The routes of the v2 Evaluation API, below `/v2/{entity}/{project}/`."""

import re

from fastapi import FastAPI
from weave.trace_server import trace_server_interface as tsi

from tests.weave_server.routes import Route, add_route

RUNS = (
    ("GET", "evaluation_runs", "EvaluationRunList"),
    ("POST", "evaluation_runs", "EvaluationRunCreate"),
    ("DELETE", "evaluation_runs", "EvaluationRunDelete"),
    ("GET", "evaluation_runs/{evaluation_run_id}", "EvaluationRunRead"),
    ("POST", "evaluation_runs/{evaluation_run_id}/finish", "EvaluationRunFinish"),
    ("POST", "eval_results/query", "EvalResultsQuery"),
    ("POST", "predictions/{prediction_id}/finish", "PredictionFinish"),
)
MEMBERS = (
    ("GET", "{one}s", "{One}List"),
    ("POST", "{one}s", "{One}Create"),
    ("DELETE", "{one}s", "{One}Delete"),
    ("GET", "{one}s/{{{one}_id}}", "{One}Read"),
)
OBJECTS = (
    ("GET", "{one}s", "{One}List"),
    ("POST", "{one}s", "{One}Create"),
    ("DELETE", "{one}s/{{object_id}}", "{One}Delete"),
    ("GET", "{one}s/{{object_id}}/versions/{{digest}}", "{One}Read"),
)


def rows() -> list[tuple[str, str, str]]:
    made = list(RUNS)
    for one in ("prediction", "score", "dataset", "scorer", "evaluation", "model"):
        patterns = MEMBERS if one in ("prediction", "score") else OBJECTS
        names = {"one": one, "One": one.title()}
        made += [(verb, path.format(**names), name.format(**names)) for verb, path, name in patterns]
    return made


def add_v2(app: FastAPI) -> None:
    for verb, path, name in rows():
        method = re.sub("(?<=[a-z])(?=[A-Z])", "_", name).lower()
        body = getattr(tsi, f"{name}Body", None)
        model = getattr(tsi, f"{name}Req")
        add_route(app, Route(verb, f"/v2/{{entity}}/{{project}}/{path}", model, method, body))
