"""Runs evaluations with W&B's SDK: `evaluations.py ENTITY/PROJECT`. Prints `{name: run id}` as one line."""

import asyncio
import json
import sys
from typing import Any

from weave.trace.call import Call

import weave
from weave import Dataset, Evaluation, Model, Scorer

CAPITALS = [
    {"question": "Capital of France?", "expected": "Paris", "difficulty": 1},
    {"question": "Capital of Peru?", "expected": "Lima", "difficulty": 2.5},
    {"question": "Capital of Chad?", "expected": "N'Djamena", "difficulty": 3},
    {"question": "Capital of Peru?", "expected": "Lima", "difficulty": 2.5},
]
HUGE = 2**70


class Atlas(Model):
    """A model that answers with an object."""

    temperature: float

    @weave.op
    def predict(self, question: str) -> dict[str, Any]:
        answer = {"France": "Paris", "Peru": "Cusco"}.get(question[11:-1], "N'Djamena")
        return {"answer": answer, "confidence": len(question) / 100, "sources": ["atlas", "globe"]}


class Exact(Scorer):
    """True if the answer is the expected one."""

    @weave.op
    def score(self, output: dict[str, Any], expected: str) -> bool:
        return bool(output["answer"] == expected)


class Judge(Scorer):
    """A nested object."""

    strictness: int = 7

    @weave.op
    def score(self, output: dict[str, Any], difficulty: float) -> dict[str, Any]:
        return {"passed": difficulty < 2.75, "detail": {"distance": difficulty / 8, "note": output["answer"]}}


class Unsummarizable(Scorer):
    """Scores well, but fails when the scores are summarized."""

    @weave.op
    def score(self, output: Any) -> float:
        return 0.375

    @weave.op
    def summarize(self, score_rows: list[Any]) -> dict[str, Any]:
        raise ArithmeticError("cannot summarize scores")


@weave.op
def length(output: Any) -> int:
    return len(output["answer"])


@weave.op
def echo(question: str) -> str:
    return f"you asked: {question} \u2028 {HUGE}"


@weave.op
def brittle(question: str) -> str:
    if "Chad" in question:
        raise LookupError("no atlas page for Chad")
    return question.upper()


@weave.op
def closeness(output: str) -> float:
    return len(output) / 1024


@weave.op
def verdict(output: str) -> str:
    return f"fair: {output[-3:]}"


@weave.op
def shouts(output: str) -> bool:
    return output.isupper()


@weave.op
def shapes(output: str) -> dict[str, Any]:
    return {
        "a.b": 1.5, "a": {"b": 2.5}, "with space": True, "🎯": 3, "UPPER": 4, "upper": 5, "": 6,
        "huge": HUGE, "listed": [1, "two", None], "empty": {}, "nothing": None, "nul": "a\u0000b",
    }  # fmt: skip


@weave.op
def nothing(output: str) -> None:
    return None


@weave.op
def listed(output: str) -> list[str]:
    return ["first", output[:3]]


@weave.op
def empty(output: str) -> dict[str, Any]:
    return {}


@weave.op
def fragile(output: str, expected: str) -> bool:
    if expected == "Lima":
        raise ZeroDivisionError("scorer divides by zero on Lima")
    return expected in output


async def run(name: str, model: Any, scorers: list[Any], trials: int = 1) -> Call:
    dataset = Dataset(name=f"{name}-rows", rows=CAPITALS)
    evaluation = Evaluation(name=f"{name}-evaluation", dataset=dataset, scorers=scorers, trials=trials)
    with weave.attributes({"suite": f"{name}-suite"}):
        _, call = await Evaluation.evaluate.call(evaluation, model)
    return call


@weave.op
async def nightly(build: str) -> str:
    """An evaluation inside another op: the run's call has a parent."""
    return str((await run("nested", brittle, [verdict])).id)


async def main() -> dict[str, str]:
    atlas = Atlas(name="atlas", temperature=0.25)
    calls = {
        "class_model": await run("class_model", atlas, [Exact(name="exact"), Judge(name="judge"), length], 2),
        "function_model": await run("function_model", echo, [closeness, verdict, shapes, nothing, listed, empty]),
        "model_raises": await run("model_raises", brittle, [verdict, shouts]),
        "scorer_raises": await run("scorer_raises", echo, [fragile, closeness]),
        "summarize_raises": await run("summarize_raises", atlas, [Unsummarizable(name="unsummarizable")]),
    }
    return {**{name: str(call.id) for name, call in calls.items()}, "nested": await nightly("build-42")}


if __name__ == "__main__":
    client = weave.init(sys.argv[1])
    made = asyncio.run(main())
    client.finish()
    print(json.dumps(made))
