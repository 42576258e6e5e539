"""Records the demo: `python -m scripts.record_demo`.

Fills a server with `seed.py`, sets believable times, asks it everything that the connector may ask and writes
the answers to `recording.json.gz` of the package. Only ids and digests differ from one recording to the next.
"""

import gzip
import json
import pathlib
import subprocess
from datetime import datetime, timedelta
from typing import Any

import weave_eval.demo
from tests.checkout import CHECKOUT
from tests.demo.timeline import Call, Timeline
from tests.stand_ins.environments import python_of
from tests.weave_server.process import WeaveServer, plain_environment
from weave_eval.weave.runs import CALL_COLUMNS

PROJECT = "acme/support-bot"
RECORDING = pathlib.Path(weave_eval.demo.__file__).parent / "recording.json.gz"
BOT = CHECKOUT / "tests" / "demo" / "support_bot.py"
WEAVE = "0.53.12"
TRIAL_COLUMNS = ("id", "trace_id", "parent_id", "op_name", "started_at", "ended_at", "exception")
OBJECTS = ("Dataset", "Evaluation", "Model", "Scorer")
SDK_SETTINGS = {
    "WEAVE_USE_SERVER_CACHE": "false",
    "WEAVE_CAPTURE_CLIENT_INFO": "false",
    "WEAVE_CAPTURE_SYSTEM_INFO": "false",
}


class Recorder:
    """Asks a server everything about the project."""

    def __init__(self, server: WeaveServer, run_ids: list[str]) -> None:
        self.server = server
        self.run_ids = run_ids
        self.runs = {call["id"]: call for call in server.calls(PROJECT, call_ids=run_ids)}

    def recording(self) -> dict[str, Any]:
        """All answers, by what they answer."""
        calls = self.server.calls(PROJECT, trace_ids=[call["trace_id"] for call in self.runs.values()])
        return {
            "project": PROJECT,
            "calls": [recorded(call, self.run_ids) for call in calls],
            "results": {run_id: self.results(run_id) for run_id in self.run_ids},
            "summaries": {run_id: self.summary(run_id) for run_id in self.run_ids},
            "inputs": self.inputs(),
            "objects": self.objects(),
            "feedback": self.feedback(calls),
            "runs": {run_id: self.get(f"evaluation_runs/{run_id}") for run_id in self.run_ids},
            "listed": {kind: self.listed(kind) for kind in ("evaluation_runs", "predictions")},
        }

    def get(self, route: str) -> Any:
        """The answer to a GET of the v2 API."""
        return self.server.api("GET", f"/v2/{PROJECT}/{route}").json()

    def listed(self, kind: str) -> list[Any]:
        """The lines of a listing of the v2 API."""
        body = self.server.api("GET", f"/v2/{PROJECT}/{kind}").content
        return [json.loads(line) for line in body.split(b"\n") if line]

    def query(self, run_id: str, **what: Any) -> Any:
        """What the server answers about a run's results."""
        body = {"evaluation_call_ids": [run_id], "include_costs": True, **what}
        return self.server.api("POST", f"/v2/{PROJECT}/eval_results/query", body).json()

    def results(self, run_id: str) -> list[Any]:
        """The rows of a run, with refs where the inputs come from a dataset."""
        rows: list[Any] = self.query(run_id, include_raw_data_rows=True)["rows"]
        return rows

    def summary(self, run_id: str) -> Any:
        """The server's summary of a run."""
        return self.query(run_id, include_rows=False, include_summary=True)["summary"]["evaluations"][0]

    def inputs(self) -> dict[str, Any]:
        """The inputs that refs stand for, by digest."""
        what = {"include_raw_data_rows": True, "resolve_row_refs": True}
        rows = [row for run_id in self.run_ids for row in self.query(run_id, **what)["rows"]]
        return {row["row_digest"]: row["raw_data_row"] for row in rows}

    def objects(self) -> list[Any]:
        """Objects and ops, each made just before the first run that uses it (the last run, if none does)."""
        answer = self.server.api("POST", "/objs/query", {"project_id": PROJECT}).json()["objs"]
        last = max(call["started_at"] for call in self.runs.values())
        found = {f"/{each['object_id']}:{each['digest']}": {**each, "created_at": last} for each in answer}
        for run_id in sorted(self.run_ids, key=lambda run_id: self.runs[run_id]["started_at"], reverse=True):
            call = self.runs[run_id]
            used = self.server.calls(PROJECT, trace_ids=[call["trace_id"]])
            for ref in reachable(json.dumps(used), found):
                found[ref]["created_at"] = shifted(call["started_at"], minutes=-5)
        kept = [each for each in found.values() if each["base_object_class"] in OBJECTS or each["kind"] == "op"]
        return sorted(kept, key=lambda each: (each["created_at"], each["object_id"], each["version_index"]))

    def feedback(self, calls: list[Call]) -> list[Any]:
        """Feedback: a scorer's comes at the end of its run, what people said some hours later."""
        rows = self.server.api("POST", "/feedback/query", {"project_id": PROJECT}).json()["result"]
        by_id = {call["id"]: call for call in calls}
        ended = {run["trace_id"]: run["ended_at"] or run["started_at"] for run in self.runs.values()}
        rows.sort(key=lambda row: (by_id[called(row["weave_ref"])]["started_at"], row["feedback_type"]))
        for number, row in enumerate(rows):
            is_late = "runnable" not in row["feedback_type"] or called(row["call_ref"] or row["weave_ref"]) not in by_id
            end = ended[by_id[called(row["weave_ref"])]["trace_id"]]
            row["created_at"] = shifted(end, hours=20 if is_late else 0, milliseconds=number)
        return sorted(rows, key=lambda row: row["created_at"])


def called(ref: str) -> str:
    """The id in a call's ref."""
    return ref.rsplit("/", 1)[-1]


def recorded(call: Call, run_ids: list[str]) -> Call:
    """The columns of a call that the connector may ask for."""
    columns = CALL_COLUMNS if call["id"] in run_ids else TRIAL_COLUMNS
    return {name: call[name] for name in columns if call[name] is not None}


def reachable(text: str, found: dict[str, Any]) -> set[str]:
    """The objects that a text names, and those that they name."""
    seen: set[str] = set()
    texts = [text]
    while texts:
        text = texts.pop()
        new = {ref for ref in found.keys() - seen if ref in text}
        texts += [json.dumps(found[ref]["val"]) for ref in new]
        seen |= new
    return seen


def shifted(moment: str, **time: float) -> str:
    """A time of the API, moved."""
    return iso(datetime.fromisoformat(moment.replace("Z", "+00:00")) + timedelta(**time))


def iso(moment: datetime) -> str:
    """A time as the API writes it."""
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def seed(server: WeaveServer) -> dict[str, str]:
    """Runs `seed.py`. Gives the start of each run by id."""
    command = [str(python_of(f"weave-{WEAVE}")), "-m", "tests.demo.seed", PROJECT]
    environment = {**plain_environment(), **server.environment(), **SDK_SETTINGS}
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def set_times(server: WeaveServer, run_id: str, started_at: str) -> None:
    """Moves a run's trace to its day, with believable durations, and shortens the tracebacks in it."""
    (run,) = server.calls(PROJECT, call_ids=[run_id])
    calls = server.calls(PROJECT, trace_ids=[run["trace_id"]])
    timeline = Timeline(calls, datetime.fromisoformat(started_at.replace("Z", "+00:00")), seed=started_at)
    for call in calls:
        start, end = timeline.times[call["id"]]
        changes: dict[str, Any] = {"started_at": iso(start), "output": timeline.output(call)}
        if call["ended_at"]:
            changes["ended_at"] = iso(end)
        if call["exception"]:
            changes["exception"] = shortened(call["exception"])
        server.patch_call(PROJECT, call["id"], **changes)


def shortened(exception: str) -> str:
    """An exception with only the bot's own lines in its traceback, and no folders."""
    error = json.loads(exception)
    files = [(frame, pathlib.Path(frame["filename"])) for frame in error["traceback"]]
    frames = [{**frame, "filename": BOT.name} for frame, file in files if file == BOT]
    return json.dumps({**error, "traceback": frames})


def main() -> None:
    """Writes a new recording."""
    with WeaveServer.start(WEAVE) as server:
        started = seed(server)
        for run_id, started_at in started.items():
            set_times(server, run_id, started_at)
        recording = Recorder(server, list(started)).recording()
    content = gzip.compress(json.dumps(recording, separators=(",", ":")).encode(), mtime=0)
    RECORDING.write_bytes(content)
    print(f"{RECORDING.name}: {len(content):,} bytes, {len(started)} runs")


if __name__ == "__main__":
    main()
