"""Believable times for calls that were made within milliseconds."""

import random
from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

Call = dict[str, Any]

SECONDS_A_TOKEN = {"acme-small-2": 0.02, "acme-large-2": 0.045}
TIMEOUT = 30.0
JUDGES = ("Tone.score",)
MODELS = ("complete", "Model.predict", "helpdesk-large.predict")
PAUSE = timedelta(milliseconds=2)


def _order(call: Call) -> tuple[bool, str, str, str]:
    """Predictions before scorers, and scorers, which run at the same time, by name."""
    return ".predict:" not in call["op_name"], call["op_name"], call["started_at"], call["id"]


class Timeline:
    """Times of the calls of one trace: one after another from `start`.

    `times` has start and end by call id. Language models take their time for each token; the rest is short.
    """

    def __init__(self, calls: list[Call], start: datetime, seed: str) -> None:
        self.times: dict[str, tuple[datetime, datetime]] = {}
        self._chance = random.Random(seed)
        self._children: dict[str | None, list[Call]] = defaultdict(list)
        for call in sorted(calls, key=_order):
            self._children[call["parent_id"]].append(call)
        for root in self._children[None]:
            self._lay(root, start)

    def _lay(self, call: Call, start: datetime) -> datetime:
        end = start + PAUSE
        for child in self._children[call["id"]]:
            end = self._lay(child, end) + PAUSE
        if not self._children[call["id"]]:
            end += timedelta(seconds=round(self._seconds(call), 6))
        self.times[call["id"]] = (start, end)
        return end

    def _seconds(self, call: Call) -> float:
        op = call["op_name"].rsplit("/", 1)[-1].split(":")[0]
        if call["exception"]:
            return TIMEOUT
        if op in MODELS:
            return self._model_seconds(call) * self._chance.uniform(0.85, 1.35)
        return self._chance.uniform(0.2, 0.45) if op in JUDGES else self._chance.uniform(0.001, 0.006)

    def _model_seconds(self, call: Call) -> float:
        used = call["summary"].get("usage") or {}
        if not used:
            return 0.35 + 0.045 * len(str(call["output"])) / 4
        return 0.35 + sum((SECONDS_A_TOKEN[llm] * usage["completion_tokens"] for llm, usage in used.items()), 0.0)

    def seconds(self, call: Call) -> float:
        """How long a call took."""
        start, end = self.times[call["id"]]
        return (end - start).total_seconds()

    def latencies(self, call: Call) -> list[float]:
        """How long each prediction below a call took, in order."""
        below = [seconds for child in self._children[call["id"]] for seconds in self.latencies(child)]
        return [self.seconds(call)] if ".predict:" in call["op_name"] else below

    def output(self, call: Call) -> Any:
        """The call's output with the model latency that its times say."""
        output, latencies = call["output"], self.latencies(call)
        if not latencies or not isinstance(output, dict) or not output.get("model_latency"):
            return output
        mean = sum(latencies) / len(latencies)
        given = output["model_latency"]
        return {**output, "model_latency": {**given, "mean": mean} if isinstance(given, dict) else mean}
