"""Makes the demo project with W&B's SDK: `python -m tests.demo.seed ENTITY/PROJECT`.

Prints `[[run id, when it started], ...]` as one line. The last run is cut off in the middle.
"""

import asyncio
import json
import os
import sys
import time
from datetime import datetime, timezone
from typing import Any, NamedTuple

import requests
from weave.trace.context.call_context import get_call_stack

import weave
from tests.demo import questions
from tests.demo.questions import EDITED_FAQ, FAQ, REFUND_POLICY, Question
from tests.demo.support_bot import (
    BRIEF,
    FRIENDLY,
    Handover,
    Helpdesk,
    Tone,
    backend,
    complete,
    correct,
    resolution,
    similarity,
)
from weave import Dataset, Evaluation, EvaluationLogger

SENT = 2.5  # seconds in which the SDK has sent every call that has ended
CUT_OFF_AFTER = 9

SMALL = Helpdesk(name="helpdesk-small", llm="acme-small-2", prompt=FRIENDLY)
LARGE = Helpdesk(name="helpdesk-large", llm="acme-large-2", prompt=FRIENDLY)
LARGE_BRIEF = Helpdesk(name="helpdesk-large", llm="acme-large-2", prompt=BRIEF)

MILD = Tone(name="tone")
STRICT = Tone(name="tone", strictness=0.3)
PRICES_SINCE = datetime(2026, 10, 1, tzinfo=timezone.utc)
COSTS = {"acme-small-2": (2e-7, 8e-7), "acme-large-2": (2.5e-6, 1e-5)}  # US dollars a token, in and out


class Planned(NamedTuple):
    """A run to make: when, of which evaluation, with which model, and what goes wrong."""

    started_at: str
    name: str
    evaluation: Evaluation
    known: list[Question]
    model: Helpdesk
    times_out: tuple[Question, ...] = ()


def faq(known: list[Question], tone: Tone, *more: Any) -> Evaluation:
    rows = Dataset(name="support-faq-questions", rows=[each.row() for each in known])
    return Evaluation(name="support-faq", dataset=rows, scorers=[correct, tone, resolution, *more])


def refund_policy() -> Evaluation:
    rows = Dataset(name="refund-policy-cases", rows=[each.row() for each in REFUND_POLICY])
    return Evaluation(name="refund-policy", dataset=rows, scorers=[correct, similarity], trials=2)


FIRST, EDITED, STRICTER = faq(FAQ, MILD), faq(EDITED_FAQ, MILD), faq(EDITED_FAQ, STRICT)
WITH_HANDOVER = faq(EDITED_FAQ, STRICT, Handover(name="handover"))
REFUNDS = refund_policy()

PLAN = (
    Planned("2026-10-30T09:12:04Z", "small, baseline", FIRST, FAQ, SMALL),
    Planned("2026-10-30T09:41:37Z", "large, baseline", FIRST, FAQ, LARGE),
    Planned("2026-11-02T14:05:11Z", "small, refunds", REFUNDS, REFUND_POLICY, SMALL),
    Planned("2026-11-02T14:22:48Z", "large, refunds", REFUNDS, REFUND_POLICY, LARGE),
    Planned("2026-11-04T07:30:02Z", "small, nightly", FIRST, FAQ, SMALL, (questions.TIMES_OUT,)),
    Planned("2026-11-06T10:03:55Z", "large, longer returns", EDITED, EDITED_FAQ, LARGE),
    Planned("2026-11-09T11:47:19Z", "large, brief prompt", EDITED, EDITED_FAQ, LARGE_BRIEF),
    Planned("2026-11-10T08:15:30Z", "large, brief prompt, refunds", REFUNDS, REFUND_POLICY, LARGE_BRIEF),
    Planned("2026-11-12T16:38:21Z", "large, stricter tone", STRICTER, EDITED_FAQ, LARGE),
    Planned("2026-11-13T09:20:44Z", "large, handovers counted", WITH_HANDOVER, EDITED_FAQ, LARGE),
    Planned("2026-11-16T10:11:08Z", "small, stricter tone", STRICTER, EDITED_FAQ, SMALL),
    Planned("2026-11-19T10:26:13Z", "large, refunds again", REFUNDS, REFUND_POLICY, LARGE),
)
LAST = Planned("2026-11-20T15:52:26Z", "large, weekly", STRICTER, EDITED_FAQ, LARGE)
Made = list[tuple[str, str]]
"""Ids of runs and when they started."""


def run(planned: Planned) -> Any:
    """The call of a run; a run that fails has one too."""
    backend.begin(planned.known, planned.times_out)
    arguments = (planned.evaluation, planned.model)
    name: Any = {"display_name": planned.name}
    with weave.attributes({"release": f"2026.{planned.started_at[5:7]}"}):
        _, call = asyncio.run(Evaluation.evaluate.call(*arguments, __weave=name))
    return call


def review() -> Any:
    """Answers of the live chat, logged with the imperative API."""
    logger = EvaluationLogger(name="live-chat-review", model=Helpdesk(**dict(LARGE)), dataset="live-chats")
    backend.begin(FAQ)
    for asked in FAQ[4:20:2]:
        text = complete("acme-large-2", FRIENDLY, asked.question)["text"]
        output = {"answer": text, "is_handover": False}
        scores = {"correct": asked.expected.lower() in text.lower(), "stars": 3 + len(text) % 3}
        logger.log_example({"category": asked.category, "question": asked.question}, output, scores)
    logger.log_summary({"reviewer": "support team"})
    return logger._evaluate_call


class Rest:
    """The v2 API of the project, as a job without the SDK uses it."""

    def __init__(self, project: str) -> None:
        self.url = f"{os.environ['WF_TRACE_SERVER_URL']}/v2/{project}"
        self.auth = ("api", os.environ["WANDB_API_KEY"])

    def post(self, route: str, **body: Any) -> Any:
        response = requests.post(f"{self.url}/{route}", json=body, auth=self.auth, timeout=30)
        response.raise_for_status()
        return response.json()


def release_gate(rest: Rest, evaluation: str, model: str) -> str:
    """A run made through the v2 API, with a score that comes after its end."""
    scorer = rest.post("scorers", name="correct", op_source_code="def correct(output, expected): ...")["scorer"]
    run_id = str(rest.post("evaluation_runs", evaluation=evaluation, model=model)["evaluation_run_id"])
    backend.begin(FAQ)
    for asked in FAQ[6:12]:
        text = backend.answer("acme-large-2", FRIENDLY, asked.question)
        inputs = {"category": asked.category, "question": asked.question}
        answer = {"answer": text, "is_handover": False}
        body = {"model": model, "inputs": inputs, "output": answer, "evaluation_run_id": run_id}
        prediction = rest.post("predictions", **body)["prediction_id"]
        value = asked.expected.lower() in text.lower()
        score = {"prediction_id": prediction, "scorer": scorer, "evaluation_run_id": run_id}
        if asked != FAQ[11]:
            rest.post("scores", value=value, **score)
        rest.post(f"predictions/{prediction}/finish")
    rest.post(f"evaluation_runs/{run_id}/finish", summary={"gate": "passed"})
    rest.post("scores", value=value, **score)
    return run_id


def comment(client: Any, baseline: Any, regressed: Any) -> None:
    """A note and a reaction on runs, and a score that is made after a run has ended."""
    client.flush()
    regression = client.get_call(regressed.id)
    regression.feedback.add_note("Shorter, but the conditions are gone. Do not ship.")
    regression.feedback.add_reaction("👎")
    client.get_call(baseline.id).feedback.add_reaction("👍")
    first = next(call for call in client.get_calls(filter={"trace_ids": [baseline.trace_id]}) if is_predict(call))
    asyncio.run(first.apply_scorer(Tone(name="late-tone", strictness=0.5)))


def is_predict(call: Any) -> bool:
    return "Helpdesk.predict:" in call.op_name


def start_last(client: Any, made: Made) -> None:
    """Starts a run and ends the process when its first rows are sent: an orderly end would finish the run."""

    def end() -> None:
        client.future_executor.flush()
        time.sleep(SENT)
        print(json.dumps([*made, (get_call_stack()[0].id, LAST.started_at)]), flush=True)
        os._exit(0)

    backend.before[CUT_OFF_AFTER] = end
    run(LAST)


def main(project: str) -> None:
    client = weave.init(project)
    for llm, (prompt_cost, completion_cost) in COSTS.items():
        client.add_cost(llm, prompt_cost, completion_cost, effective_date=PRICES_SINCE)
    calls = {planned.name: run(planned) for planned in PLAN}
    made: Made = [(str(calls[planned.name].id), planned.started_at) for planned in PLAN]
    made.append((review().id, "2026-11-17T13:02:50Z"))
    evaluation, model = (weave.publish(each).uri() for each in (FIRST, LARGE))
    made.append((release_gate(Rest(project), evaluation, model), "2026-11-18T18:00:00Z"))
    comment(client, calls["large, baseline"], calls["large, brief prompt"])
    start_last(client, made)


if __name__ == "__main__":
    main(sys.argv[1])
