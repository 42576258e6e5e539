"""A synthetic project as Weave's API shows it: a function of its shape, the same on every machine.

Every trial has four scores: true or false, a number, a number inside an object, and a text. Scorer stats follow
Weave's arithmetic: only numbers have a mean, only true and false have a rate, and a text just counts.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cached_property
from typing import Any

from tests.benchmarks.shape import Shape

ENTITY, NAME = "bench", "synthetic"
PROJECT_ID = f"{ENTITY}/{NAME}"
SCORERS = ("correct", "similarity", "rubric", "verdict")

_FIRST_START = datetime(2025, 3, 1, tzinfo=timezone.utc)
_BETWEEN_RUNS = timedelta(hours=1)
_BLOCK_BYTES = 1_300_000
_BLOCK_ROWS = 500
_TEXT_BYTES = 4_000_000
_WORDS = (
    "the of and to in that is was for on are with they be at one have this from by hot word but what some we can out "
    "other were all there when up use your how said an each she which do their time if will way about many then them "
    "write would like so these her long make thing see him two has look more day could go come did number sound no "
    "most people my over know water than call first who may down side been now find refund order account delivery"
)
_VERDICTS = ("friendly", "neutral", "too short", "off topic", "rude")

Json = dict[str, Any]


def ref(kind: str, name: str) -> str:
    """Ref of a version of the project, as runs name it."""
    return f"weave:///{PROJECT_ID}/{kind}/{name}:{digest(name)}"


def digest(content: str) -> str:
    """43 characters, as Weave's digests have."""
    return base64.urlsafe_b64encode(hashlib.sha256(content.encode()).digest()).decode().rstrip("=")


def compact(value: Any) -> bytes:
    """JSON as the API writes it."""
    return json.dumps(value, separators=(",", ":")).encode()


@dataclass
class Tally:
    """Scores and tokens of some trials, added up."""

    trials: int = 0
    correct: int = 0
    similarity: float = 0.0
    grade: int = 0
    tokens: int = 0
    cost: float = 0.0


@dataclass(frozen=True)
class Block:
    """Some rows of a run: each as JSON of `eval_results`, the trials' calls as JSON lines, and the tally."""

    rows: list[bytes]
    calls: list[bytes]
    tally: Tally


class Project:
    """The project of a shape."""

    def __init__(self, shape: Shape):
        self.shape = shape

    @cached_property
    def run_ids(self) -> list[str]:
        """Ids of all runs, earliest first."""
        return [_uuid(self._started_at(run), random.Random(f"run {run}").getrandbits(80)) for run in self._runs]

    @cached_property
    def trace_ids(self) -> list[str]:
        """Traces of all runs."""
        return [_uuid(self._started_at(run), random.Random(f"trace {run}").getrandbits(80)) for run in self._runs]

    @cached_property
    def runs_by_id(self) -> dict[str, int]:
        """Number of each run."""
        return {run_id: run for run, run_id in enumerate(self.run_ids)}

    @cached_property
    def block_rows(self) -> int:
        """Rows of a block: those of a page, fewer where they are large."""
        return max(1, min(_BLOCK_ROWS, _BLOCK_BYTES // (self.shape.input_bytes + self.shape.output_bytes + 600)))

    @property
    def _runs(self) -> range:
        return range(self.shape.runs)

    @cached_property
    def _digests(self) -> list[str]:
        return sorted(digest(f"row {row}") for row in range(self.shape.rows))

    @cached_property
    def _text(self) -> str:
        return " ".join(random.Random("text").choices(_WORDS.split(), k=_TEXT_BYTES // 5))

    def _some_text(self, draw: random.Random, size: int) -> str:
        start = int(draw.random() * len(self._text))
        text = self._text[start : start + size]
        return text if len(text) == size else (text + self._text * (size // len(self._text) + 1))[:size]

    @cached_property
    def _inputs(self) -> list[bytes]:
        draw = random.Random("inputs")
        size = max(1, self.shape.input_bytes - len('{"question":"","locale":"en","turn":3}'))
        return [
            compact({"question": self._some_text(draw, size), "locale": "en", "turn": row % 10})
            for row in range(self.shape.rows)
        ]

    def _started_at(self, run: int) -> datetime:
        return _FIRST_START + run * _BETWEEN_RUNS

    def revision(self, run: int) -> int:
        """Number of the run's last edit; 0 if there was none."""
        return self.shape.edit if run in self.changed else 0

    @property
    def changed(self) -> range:
        """The runs that were edited."""
        return self._runs[self.shape.runs - self.shape.changed :]

    def _finished_at(self, run: int) -> datetime:
        return self._started_at(run) + timedelta(minutes=10 + self.revision(run))

    def blocks(self, run: int) -> int:
        """Blocks of a run."""
        return -(-self.shape.rows // self.block_rows) if run in self._runs else 0

    def block(self, run: int, block: int) -> Block:
        """A block of a run."""
        draw = random.Random(f"{run} {block} {self.revision(run)}")
        first = block * self.block_rows
        made = Block([], [], Tally())
        for row in range(first, min(first + self.block_rows, self.shape.rows)):
            self._add_trial(made, run, row, draw)
        return made

    def _add_trial(self, block: Block, run: int, row: int, draw: random.Random) -> None:
        started_at = self._started_at(run) + timedelta(milliseconds=row)
        bits = draw.getrandbits(256)
        trial_id, predict_id = _uuid(started_at, bits), _uuid(started_at, bits >> 80)
        correct, similarity, grade = bits % 5 > 0, (bits >> 8 & 0xFFFF) / 1e4, bits >> 24 & 7
        tokens, cost = 100 + (bits >> 32 & 0xFF), (bits >> 40 & 0xFFF) / 1e7
        latency = 0.2 + (bits >> 52 & 0xFFFF) / 3e4
        output = self._some_text(draw, max(1, self.shape.output_bytes - len('{"answer":"\\n","is_handover":false}')))
        calls = ",".join(f'"{name}":"{_uuid(started_at, bits >> 90 + 20 * i)}"' for i, name in enumerate(SCORERS))
        block.rows.append(
            b'{"row_digest":"%b","raw_data_row":%b,' % (self._digests[row].encode(), self._inputs[row])
            + f'"evaluations":[{{"evaluation_call_id":"{self.run_ids[run]}","trials":[{{'
            f'"predict_and_score_call_id":"{trial_id}","predict_call_id":"{predict_id}",'
            f'"model_output":{{"answer":"{output}\\n","is_handover":false}},'
            f'"scores":{{"correct":{str(correct).lower()},"similarity":{similarity},'
            f'"rubric":{{"tone":{{"grade":{grade}}}}},"verdict":"{_VERDICTS[bits % 5]}"}},'
            f'"model_latency_seconds":{latency},"total_tokens":{tokens},"total_cost":{cost},'
            f'"scorer_call_ids":{{{calls}}},"genai_span_ref":null}}]}}]}}'.encode()
        )
        block.calls.append(self._trial_call(run, trial_id, started_at, latency))
        _count(block.tally, correct=correct, similarity=similarity, grade=grade, tokens=tokens, cost=cost)

    def _trial_call(self, run: int, trial_id: str, started_at: datetime, latency: float) -> bytes:
        ended_at = started_at + timedelta(seconds=latency + 0.1)
        return (
            f'{{"id":"{trial_id}","project_id":"{PROJECT_ID}","op_name":"{_TRIAL_OP}","display_name":null,'
            f'"trace_id":"{self.trace_ids[run]}","parent_id":"{self.run_ids[run]}","thread_id":null,"turn_id":null,'
            f'"started_at":"{_iso(started_at)}","attributes":{{}},"inputs":{{}},"ended_at":"{_iso(ended_at)}",'
            '"exception":null,"output":null,"summary":{"weave":{"status":"success",'
            f'"trace_name":"Evaluation.predict_and_score","latency_ms":{int(latency * 1000) + 100}}}}},'
            '"wb_user_id":null,"wb_run_id":null,"wb_run_step":null,"wb_run_step_end":null,"deleted_at":null,'
            '"expire_at":null,"storage_size_bytes":null,"total_storage_size_bytes":null}\n'
        ).encode()

    def listed(self, since: str | None = None) -> list[int]:
        """Runs that started at `since` (ISO 8601 with an offset or Z) or later, latest first."""
        start = datetime.fromisoformat(since.replace("Z", "+00:00")) if since else _FIRST_START
        return [run for run in reversed(self._runs) if self._started_at(run) >= start]

    def run_call(self, run: int) -> Json:
        """The call of a run, as `calls/stream_query` shows it."""
        return {
            "id": self.run_ids[run],
            "project_id": PROJECT_ID,
            "op_name": f"weave:///{PROJECT_ID}/op/Evaluation.evaluate:{digest('evaluate')}",
            "display_name": f"nightly {run}",
            "trace_id": self.trace_ids[run],
            "parent_id": None,
            "thread_id": None,
            "turn_id": None,
            "started_at": _iso(self._started_at(run)),
            "attributes": {"weave": {"client_version": "0.53.12", "source": "python-sdk"}, "release": f"r{run}"},
            "inputs": {"self": ref("object", "support-faq"), "model": self._model_ref(run)},
            "ended_at": _iso(self._finished_at(run)),
            "exception": None,
            "output": {"correct": {"true_count": self.shape.rows}, "model_latency": {"mean": 1.5}},
            "summary": self._call_summary(run),
            "wb_user_id": "VXNlcjoxMjM0NTY=",
            "wb_run_id": None,
            "deleted_at": None,
        }

    def _call_summary(self, run: int) -> Json:
        return {
            "status_counts": {"success": 1 + 6 * self.shape.rows, "error": 0},
            "weave": {"status": "success", "latency_ms": 600_000, "display_name": f"nightly {run}"},
        }

    def _model_ref(self, run: int) -> str:
        return ref("object", f"helpdesk-{run % 3}")

    def v2_run(self, run: int) -> Json:
        """A run, as `GET evaluation_runs` shows it."""
        return {
            "evaluation_run_id": self.run_ids[run],
            "evaluation": ref("object", "support-faq"),
            "model": self._model_ref(run),
            "status": "completed",
            "started_at": _iso(self._started_at(run)),
            "finished_at": _iso(self._finished_at(run)),
            "summary": self._call_summary(run),
            "source_evaluation_run_id": None,
        }

    def summary(self, run: int, tallies: Iterable[Tally]) -> Json:
        """The answer of `eval_results` to who asks for a run's summary alone."""
        total = Tally()
        for tally in tallies:
            for name, value in vars(tally).items():
                setattr(total, name, getattr(total, name) + value)
        evaluation = {
            "evaluation_call_id": self.run_ids[run],
            "trial_count": total.trials,
            "scorer_stats": list(_stats(total)),
            "predict_total_tokens": total.tokens,
            "predict_total_cost": total.cost,
            "evaluation_ref": ref("object", "support-faq"),
            "model_ref": self._model_ref(run),
            "display_name": f"nightly {run}",
            "trace_id": self.trace_ids[run],
            "started_at": self._started_at(run).isoformat(),
        }
        summary = {"row_count": self.shape.rows, "evaluations": [evaluation]}
        return {"rows": [], "total_rows": self.shape.rows, "summary": summary, "warnings": []}

    @cached_property
    def objects(self) -> list[Json]:
        """Versions of the evaluation, its dataset, scorers and models, newest first."""
        dataset = {"_type": "Dataset", "name": "support-faq-cases", "rows": f"weave:///{PROJECT_ID}/table/ab12"}
        scorers = [ref("object", name) for name in SCORERS]
        evaluation = {"dataset": ref("object", "support-faq-cases"), "scorers": scorers, "trials": 1}
        return [
            _object("support-faq", "Evaluation", evaluation),
            _object("support-faq-cases", "Dataset", dataset),
            *(_object(name, "Scorer", {"name": name}) for name in SCORERS),
            *(_object(f"helpdesk-{model}", "Model", {"temperature": model}) for model in range(3)),
        ]


_TRIAL_OP = f"weave:///{PROJECT_ID}/op/Evaluation.predict_and_score:{digest('predict_and_score')}"


def _object(name: str, kind: str, definition: Json) -> Json:
    return {
        "project_id": PROJECT_ID,
        "object_id": name,
        "created_at": _iso(_FIRST_START),
        "deleted_at": None,
        "digest": digest(name),
        "version_index": 0,
        "is_latest": 1,
        "kind": "object",
        "base_object_class": kind,
        "leaf_object_class": kind,
        "val": definition,
        "wb_user_id": "VXNlcjoxMjM0NTY=",
    }


def _count(tally: Tally, *, correct: bool, similarity: float, grade: int, tokens: int, cost: float) -> None:
    tally.trials += 1
    tally.correct += correct
    tally.similarity += similarity
    tally.grade += grade
    tally.tokens += tokens
    tally.cost += cost


def _stats(total: Tally) -> Iterator[Json]:
    count = total.trials
    yield _stat("correct", None, "binary", count, known=count, true=total.correct)
    yield _stat("similarity", None, "continuous", count, mean=total.similarity / count)
    yield _stat("rubric", "tone.grade", "continuous", count, mean=total.grade / count)
    yield _stat("verdict", None, "text", count)


def _stat(
    scorer: str, path: str | None, kind: str, count: int, *, mean: float | None = None, known: int = 0, true: int = 0
) -> Json:
    return {
        "scorer_key": scorer,
        "path": path,
        "value_type": kind,
        "trial_count": count,
        "numeric_count": 0 if mean is None else count,
        "numeric_mean": mean,
        "pass_true_count": true,
        "pass_known_count": known,
        "pass_rate": true / known if known else None,
        "pass_signal_coverage": known / count,
    }


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _uuid(moment: datetime, bits: int) -> str:
    """A UUIDv7: time, then the lowest 74 of the random bits."""
    milliseconds = int((moment - datetime(1970, 1, 1, tzinfo=timezone.utc)) / timedelta(milliseconds=1))
    bits &= (1 << 74) - 1
    text = f"{milliseconds:012x}7{bits >> 62:03x}{8 | bits >> 60 & 3:x}{bits & (1 << 60) - 1:015x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
