"""Failures reach Slack and Sentry, here servers of the tests, and secrets do not."""

from __future__ import annotations

import gzip
import json
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.processes import WEAVE_EVAL
from tests.weave_server.process import KEY, WeaveServer

PROJECT = "acme/support-bot"
HOOK, DSN, PASSWORD = "h00k-secret", "dsn-public-key", "pa55word"


@dataclass
class Receiver:
    """Slack and Sentry: what was sent, by path. `status` is what they answer."""

    port: int = 0
    status: int = 200
    sent: list[tuple[str, str]] = field(default_factory=list)

    def slack(self) -> list[str]:
        return [json.loads(body)["text"] for path, body in self.sent if path.startswith("/services")]

    def sentry(self) -> list[str]:
        """Messages of the events."""
        bodies = [body for path, body in self.sent if path.startswith("/api")]
        items = [json.loads(line) for body in bodies for line in body.splitlines() if line.startswith("{")]
        return [item["logentry"]["formatted"] for item in items if "logentry" in item]


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            text = gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body
            receiver.sent.append((self.path, text.decode()))
            self.send_response(receiver.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Write no line a request."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    receiver.port = server.server_port
    monkeypatch.setenv("RUNTIME__SLACK_INCOMING_HOOK", f"http://127.0.0.1:{server.server_port}/services/T0/B0/{HOOK}")
    monkeypatch.setenv("RUNTIME__SENTRY_DSN", f"http://{DSN}@127.0.0.1:{server.server_port}/42")
    yield receiver
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def _environment(server: WeaveServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    server.bulk(PROJECT, runs=1, rows=3)
    profiles = (
        '[duckdb]\ntype = "duckdb"\ncredentials = "w.duckdb"\n[lake]\ntype = "postgres"\n'
        'credentials = { host = "127.0.0.1", port = 9, database = "d", username = "loader" }\n'
    )
    (tmp_path / "destinations.toml").write_text(profiles, encoding="utf-8")
    monkeypatch.setenv("DESTINATION__LAKE__CREDENTIALS__PASSWORD", PASSWORD)
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)


def load(*arguments: str) -> tuple[int, str, str]:
    words = [*WEAVE_EVAL, "load", "--quiet", *arguments]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout, done.stderr


def test_a_failed_project_is_told_once_to_each_and_a_good_one_to_none(receiver: Receiver) -> None:
    projects = ("forbidden-team/x", "forbidden-team/y", PROJECT)
    code, out, err = load(*(word for project in projects for word in ("--project", project)))
    assert (code, out, len(err.splitlines())) == (1, "", 2)
    sentences = [line.removeprefix("error: ") for line in err.splitlines()]
    assert receiver.slack() == [f"weave-eval: {sentence}" for sentence in sentences]
    assert receiver.sentry() == sentences
    for secret in (KEY, HOOK, PASSWORD):
        assert not any(secret in body for _, body in receiver.sent), secret
    assert not any(PROJECT in message for message in receiver.slack() + receiver.sentry())


@pytest.mark.slow
def test_a_warehouse_that_is_away_is_told_without_its_password(receiver: Receiver) -> None:
    code, _, err = load("--project", PROJECT, "--destination", "lake")
    assert code == 1
    (told,), (event,) = receiver.slack(), receiver.sentry()
    assert err == f"error: {event}\n"
    assert told == f"weave-eval: {event}"
    assert "'lake'" in told
    for secret in (KEY, HOOK, PASSWORD):
        assert not any(secret in body for _, body in receiver.sent), secret


@pytest.mark.slow
def test_slack_that_is_away_changes_nothing_and_its_address_stays_secret(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RUNTIME__SENTRY_DSN")
    receiver.status = 404
    code, out, err = load("--project", "forbidden-team/x")
    assert (code, out) == (1, "")
    error, warning = err.splitlines()
    assert error.startswith("error: ")
    assert warning == "warning: the alert could not be sent to Slack: HTTPError"
    assert HOOK not in err
