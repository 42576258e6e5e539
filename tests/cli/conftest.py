"""What the tests of the command line start from."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.running import PROJECT, Run
from tests.weave_server.process import KEY, WeaveServer
from weave_eval.cli.program import main


@pytest.fixture(autouse=True)
def _own_handlers() -> Iterator[None]:
    """The command line takes over SIGTERM; the tests give it back."""
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, empty."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def filled(server: WeaveServer, monkeypatch: pytest.MonkeyPatch) -> WeaveServer:
    """A server with a project of two runs; the environment leads to it."""
    server.bulk(PROJECT, runs=2, rows=3, trials=1, scorers=1)
    server.clear_requests()
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WF_TRACE_SERVER_URL", server.url)
    return server


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in this process; gives its exit code, stdout and stderr."""

    def command(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(arguments)
        return code, *capsys.readouterr()

    return command
