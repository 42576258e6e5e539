"""A project with every hostile text in every place: a run for each text, and two runs over all of them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import requests

from tests.hostile.strings import FAILING_AS_SCORER, SOME, TEXTS, in_calls, is_note, is_unicode
from tests.loads import days_ago
from tests.weave_server.process import WeaveServer

PROJECT = "acme/hostile"
BEFORE, AFTER = str(uuid.UUID(int=1)), str(uuid.UUID(int=2))
"""Ids of the runs over all texts."""

SHOWN = "[/] [red]x[/red] \x1b[31m \u202e <b> | `c` [a](b) \n# {{ 7*7 }} ${TABLE} ' \" \\"
"""What the two runs, their models and their evaluation are called."""

_STARTED = days_ago(1)
_FIRST = uuid.UUID("5ca1ab1e-0000-4000-8000-000000000000").int


def run_id_of(text: str) -> str:
    """The id of a text's own run."""
    return str(uuid.UUID(int=_FIRST + TEXTS.index(text)))


def scorer_of(text: str) -> str:
    """The text as a scorer's name and as a path, or another one where Weave fails on it."""
    return f"not {text}" if text in FAILING_AS_SCORER else text


def example_of(text: str) -> Any:
    """The input of a text's own run: the bare text where Weave takes it."""
    return text if is_unicode(text) else [text]


def fill(server: WeaveServer) -> None:
    """Writes the project."""
    calls = [call for text in in_calls() for call in _own_run(text)]
    calls += [*_run_over_all(BEFORE, 0), *_run_over_all(AFTER, 1)]
    post(server, f"/v2/{PROJECT}/calls/complete", {"batch": calls}).raise_for_status()
    for text in filter(is_unicode, in_calls()):
        post(server, "/obj/create", {"obj": _evaluation(text)}).raise_for_status()
    for text in filter(is_note, TEXTS):
        post(server, "/feedback/create", note(text)).raise_for_status()


def post(server: WeaveServer, path: str, body: Any) -> requests.Response:
    """Posts whatever Python's JSON can hold: lone surrogates as escapes, NaN as a bare word."""
    headers, auth = {"Content-Type": "application/json"}, ("api", server.key)
    url, data = server.url + path, json.dumps(body).encode()
    return server.session.post(url, data=data, headers=headers, auth=auth, timeout=120)


def call(op: str, run_id: str, call_id: str = "", parent_id: str | None = None, **fields: Any) -> dict[str, Any]:
    """A call that has ended; the run itself if it has no id of its own."""
    return {
        "project_id": PROJECT,
        "id": call_id or run_id,
        "trace_id": run_id,
        "parent_id": parent_id,
        "op_name": f"weave:///{PROJECT}/op/{op}:abc",
        "started_at": _STARTED,
        "ended_at": _STARTED,
        "attributes": {},
        "inputs": {},
        "output": None,
        "summary": {},
        **fields,
    }


def trial(run_id: str, example: Any, output: Any, scores: Any, error: str | None = None) -> Iterator[dict[str, Any]]:
    """The calls of a trial."""
    trial_id = str(uuid.uuid4())
    answer = {"output": output, "scores": scores, "model_latency": 0.25}
    inputs = {"example": example, "model": "model"}
    yield call("Evaluation.predict_and_score", run_id, trial_id, run_id, inputs=inputs, output=answer)
    asked = {"x": example}
    yield call("predict", run_id, str(uuid.uuid4()), trial_id, inputs=asked, output=output, exception=error)


def refs(evaluation: str, model: str) -> dict[str, str]:
    """The evaluation, named by a ref as the SDK does, and the model, by its bare name."""
    return {"self": f"weave:///{PROJECT}/object/{evaluation}:abc", "model": model}


def note(text: str) -> dict[str, Any]:
    """Feedback on a text's own run."""
    ref = f"weave:///{PROJECT}/call/{run_id_of(text)}"
    return {"project_id": PROJECT, "weave_ref": ref, "feedback_type": "wandb.note.1", "payload": {"note": text}}


def _own_run(text: str) -> Iterator[dict[str, Any]]:
    run_id = run_id_of(text)
    named: dict[str, Any] = {"display_name": text, "inputs": refs(text, text)}
    yield call("Evaluation.evaluate", run_id, output={text: text}, attributes={text: text}, **named)
    scorer = scorer_of(text)
    scores = {scorer: {scorer: text, "is_right": len(text) % 2 == 0, "length": len(text)}}
    yield from trial(run_id, example_of(text), {text: text}, scores, error=text)


def _run_over_all(run_id: str, turn: int) -> Iterator[dict[str, Any]]:
    """Of the second run every third answer is worse."""
    inputs = refs(SHOWN.replace("/", "").replace(":", ""), f"{SHOWN} {turn}")
    yield call("Evaluation.evaluate", run_id, display_name=f"{turn} {SHOWN}", inputs=inputs)
    for number, text in enumerate(in_calls()):
        is_right = not (turn and number % 3 == 0)
        scores: dict[str, Any] = {"judge": is_right, "said": text}
        if text in SOME:
            scores[scorer_of(text)] = {"is_right": is_right, scorer_of(text): number / 7}
        yield from trial(run_id, {text: text, "question": text}, text, scores)


def _evaluation(text: str) -> dict[str, Any]:
    value: dict[str, Any] = {"_type": "Evaluation", "_class_name": "Evaluation", "_bases": ["Object", "BaseModel"]}
    value |= {"name": text, "description": text, "dataset": None}
    return {"project_id": PROJECT, "object_id": f"object-{TEXTS.index(text)}", "val": value}
