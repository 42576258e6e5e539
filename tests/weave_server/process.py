"""The server as a process beside the tests."""

import contextlib
import json
import os
import pathlib
import subprocess
from collections.abc import Iterator
from typing import Any

import requests
from typing_extensions import Self

from tests.checkout import CHECKOUT
from tests.stand_ins.environments import python_of

KEY = "test-key"
SEEDS = pathlib.Path(__file__).parent / "seeds"


class WeaveServer:
    """A running server with the trace server code of one version of weave; a context manager."""

    key = KEY

    def __init__(self, weave: str, process: subprocess.Popen[str], port: int) -> None:
        self.weave = weave
        self.process = process
        self.url = f"http://127.0.0.1:{port}"
        self.session = requests.Session()

    @classmethod
    def start(cls, weave: str = "0.53.0", **settings: Any) -> Self:
        """Starts one; `settings` as in `settings.py`. Raises RuntimeError if it does not come up."""
        command = [str(python_of(f"weave-{weave}")), "-m", "tests.weave_server", json.dumps(settings)]
        environment, pipe = plain_environment(), subprocess.PIPE
        process = subprocess.Popen(command, cwd=CHECKOUT, env=environment, stdin=pipe, stdout=pipe, text=True)
        assert process.stdout
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"The server of weave {weave} ended with {process.wait()} before it listened.")
        return cls(weave, process, json.loads(line)["port"])

    def stop(self) -> None:
        self.session.close()
        self.process.terminate()
        self.process.communicate(timeout=10)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def environment(self) -> dict[str, str]:
        """What points W&B's SDK, and this connector, at the server."""
        return {
            "WANDB_API_KEY": KEY,
            "WANDB_BASE_URL": self.url,
            "WF_TRACE_SERVER_URL": self.url,
            "WANDB_ENTITY": "acme",
            "WEAVE_PRINT_CALL_LINK": "false",
            "WEAVE_PARALLELISM": "1",
            "WEAVE_USE_SERVER_CACHE": "false",  # it would leave out objects that an earlier server got
        }

    def run_script(self, path: pathlib.Path, *arguments: str) -> Any:
        """Runs a script with the server's python and SDK. Gives the last line that it prints, as JSON."""
        command = [str(python_of(f"weave-{self.weave}")), str(path), *arguments]
        environment = {**plain_environment(), **self.environment()}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode:
            raise RuntimeError(f"{path.name} ended with {done.returncode}: {done.stderr}")
        return json.loads(done.stdout.splitlines()[-1])

    def seed(self, name: str, project: str) -> dict[str, str]:
        """Runs `seeds/<name>.py` on a project `entity/name`. Gives the ids that it made, by name."""
        made: dict[str, str] = self.run_script(SEEDS / f"{name}.py", project)
        return made

    def api(self, method: str, path: str, json: Any = None, params: dict[str, Any] | None = None) -> requests.Response:
        """An authenticated request, whatever its status."""
        auth = ("api", KEY)
        return self.session.request(method, self.url + path, json=json, params=params, auth=auth, timeout=60)

    def rows(self, path: str, body: dict[str, Any]) -> list[dict[str, Any]]:
        """The lines of a streamed answer to a POST."""
        response = self.api("POST", path, body)
        response.raise_for_status()
        return [json.loads(line) for line in response.content.split(b"\n") if line]

    def calls(self, project: str, **filters: Any) -> list[dict[str, Any]]:
        """The calls of a project that match, such as `parent_ids=[...]`, as the API sends them."""
        return self.rows("/calls/stream_query", {"project_id": project, "filter": filters})

    def control(self, method: str, path: str, body: Any = None, **params: str) -> Any:
        text = None if body is None else json.dumps(body)  # `json=` would refuse NaN
        response = self.session.request(method, f"{self.url}/__{path}", data=text, params=params, timeout=300)
        if not response.ok:
            raise ValueError(response.text)
        return response.json()

    def configure(self, **settings: Any) -> None:
        """Changes settings; without any, those of the start are back."""
        self.control("POST" if settings else "DELETE", "config", settings or None)

    def reset(self) -> None:
        """Forgets all data."""
        self.control("POST", "reset")

    def save(self, path: pathlib.Path) -> None:
        self.control("POST", "save", {"path": str(path)})

    def load(self, path: pathlib.Path) -> None:
        """Replaces all data by what a server of the same weave saved."""
        self.control("POST", "load", {"path": str(path)})

    def add_faults(self, *rules: dict[str, Any]) -> None:
        """Rules as in `faults.py`: `{"kind": "503", "match": "eval_results", "times": 2}`."""
        self.control("POST", "faults", list(rules))

    def faults(self) -> list[dict[str, Any]]:
        """The rules with what they have `seen` and how often they have `fired`."""
        rules: list[dict[str, Any]] = self.control("GET", "faults")
        return rules

    def clear_faults(self) -> None:
        self.control("DELETE", "faults")

    def requests(self, match: str = "") -> list[dict[str, Any]]:
        """The requests whose path contains `match`, oldest first."""
        entries: list[dict[str, Any]] = self.control("GET", "requests", match=match)
        return entries

    def clear_requests(self) -> None:
        self.control("DELETE", "requests")

    def bulk(self, project: str, **order: Any) -> list[str]:
        """Writes runs as `bulk.py` says, without the SDK. Gives their ids."""
        runs: list[str] = self.control("POST", "bulk", {"project": project, **order})
        return runs

    def patch_call(self, project: str, call_id: str, **fields: Any) -> None:
        """Overwrites stored fields of a call, such as `ended_at=None` or `output={...}`."""
        self.control("POST", "call/set", {"project": project, "call_id": call_id, "fields": fields})

    def shift(self, project: str, call_id: str, seconds: float) -> None:
        """Moves a call's whole trace in time."""
        self.control("POST", "call/shift", {"project": project, "call_id": call_id, "seconds": seconds})

    @contextlib.contextmanager
    def faulty(self, *rules: dict[str, Any]) -> Iterator[None]:
        """Rules that hold inside the block only."""
        self.add_faults(*rules)
        try:
            yield
        finally:
            self.clear_faults()


def plain_environment() -> dict[str, str]:
    """Our environment without what would point the SDK elsewhere; it reports no errors to W&B."""
    hidden = ("WANDB_", "WEAVE_", "WF_", "PYTHON", "VIRTUAL_ENV")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    return {**kept, "WANDB_ERROR_REPORTING": "false"}
