"""Logs runs with `EvaluationLogger`: `logger.py ENTITY/PROJECT`. Prints `{name: run id}` as one line."""

import json
import os
import sys
import time
from typing import Any

import weave
from weave import EvaluationLogger

SENT = 2.5  # seconds in which the SDK has sent every call that has ended
SCORES: dict[str, Any] = {"tone": 0.8125, "polite": True, "notes": {"kind": "short", "words": 9}}


def logger(name: str) -> EvaluationLogger:
    model, dataset, attributes = f"{name}_model", f"{name}_rows", {"team": f"{name}-team"}
    return EvaluationLogger(name=f"{name} run", model=model, dataset=dataset, eval_attributes=attributes)


def run_id(run: EvaluationLogger) -> str:
    assert run._evaluate_call is not None
    return str(run._evaluate_call.id)


def finished() -> EvaluationLogger:
    run = logger("finished")
    run.log_example({"prompt": "hello", "seed": 11}, {"text": "hi"}, SCORES)
    run.log_example({"prompt": "bye", "seed": 12}, "a bare string", {"tone": 0.4375, "polite": False})
    run.log_example({"prompt": "pi", "seed": 13}, 3.14159, {"tone": 1})
    run.log_summary({"grade": "B", "cost_in_cents": 17})
    return run


def odd_inputs() -> EvaluationLogger:
    run = logger("odd_inputs")
    for inputs, output in (("just text", ["a", "list"]), (42, None), (["x", "y"], True)):
        run.log_example(inputs, output, {"odd score": 0.0625})
    run.log_summary({"odd": 3})
    return run


def failed() -> EvaluationLogger:
    run = logger("failed")
    run.log_example({"prompt": "last words"}, "then it broke", {"tone": 0.3125})
    run.finish(exception=RuntimeError("judge quota exhausted"))
    return run


def empty() -> EvaluationLogger:
    run = logger("empty")
    run.finish()
    return run


def running() -> EvaluationLogger:
    run = logger("running")
    run.log_example({"prompt": "are you there"}, "still here", {"tone": 0.1875})
    run.log_prediction({"prompt": "unanswered"}, "never scored")
    return run


if __name__ == "__main__":
    client = weave.init(sys.argv[1])
    makers = (finished, odd_inputs, failed, empty, running)
    made = {f"logger_{make.__name__}": run_id(make()) for make in makers}
    client.future_executor.flush()
    time.sleep(SENT)
    print(json.dumps(made), flush=True)
    os._exit(0)  # an orderly exit would finish the running run
