"""Kills itself in the middle of an evaluation: `crash.py ENTITY/PROJECT`. Prints `{"crashed": run id}`."""

import asyncio
import json
import os
import sys
import time

from weave.trace.context.call_context import get_call_stack

import weave

ROWS = [{"step": step, "label": f"step {step}"} for step in range(6)]
LAST = 4
SENT = 2.5  # seconds in which the SDK has sent every call that has ended


@weave.op
def climb(step: int) -> str:
    if step == LAST:
        run = get_call_stack()[0].id
        client.future_executor.flush()
        time.sleep(SENT)
        print(json.dumps({"crashed": run}), flush=True)
        os._exit(0)
    return f"reached {step}"


@weave.op
def height(output: str) -> int:
    return len(output) * 10


if __name__ == "__main__":
    client = weave.init(sys.argv[1])
    evaluation = weave.Evaluation(name="crash-evaluation", dataset=ROWS, scorers=[height])
    asyncio.run(evaluation.evaluate(climb))
