"""Every command: help, exit codes, what goes to which stream, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from importlib.metadata import version
from pathlib import Path

import pytest
from filelock import FileLock

from tests.cli.running import PROJECT, Run, run_ids
from tests.processes import WEAVE_EVAL, wait_for
from tests.tables_of import tables_of
from tests.weave_server.process import KEY, WeaveServer
from weave_eval.cli.commands import COMMANDS
from weave_eval.cli.program import main

NAMES = [command.name for command in COMMANDS]

pytestmark = pytest.mark.usefixtures("folder")


def process(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*WEAVE_EVAL, *arguments], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.usefixtures("filled")
def test_load_as_a_process(folder: Path) -> None:
    done = process("load", "--project", PROJECT)
    assert (done.returncode, done.stdout) == (0, "")
    (line,) = done.stderr.splitlines()
    fields = dict(part.split("=", 1) for part in line.split() if "=" in part)
    assert (fields["project"], fields["status"], fields["runs_read"]) == (PROJECT, "loaded", "2")
    assert fields["rows.trials"] == "6"
    assert len(run_ids(folder)) == 2


@pytest.mark.slow
@pytest.mark.usefixtures("filled")
def test_a_failed_load_as_a_process() -> None:
    done = process("load", "--project", "forbidden-team/x")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ")
    assert "forbidden-team/x" in done.stderr
    assert "Traceback" not in done.stderr
    assert KEY not in done.stderr


@pytest.mark.parametrize("arguments", [(), ("load", "--colour", "blue"), ("dance",)])
def test_wrong_usage(arguments: tuple[str, ...]) -> None:
    done = process(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: weave-eval")


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert all(name in text for name in NAMES)


@pytest.mark.parametrize("command", NAMES)
def test_help_of_a_command_has_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"weave-eval {command}" in capsys.readouterr().out.partition("examples:")[2]


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"weave-eval {version('weave-eval')} (dlt {version('dlt')})\n"


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "--project"),
        (("--project", "no-slash"), "'no-slash'"),
        (("--project", PROJECT, "--since", "yesterday"), "'yesterday'"),
        (("--project", PROJECT, "--destination", "lake"), "'lake'"),
        (("--project", PROJECT, "--full", "--since", "2026-01-01"), "--full"),
    ],
)
def test_what_the_user_has_to_change_ends_with_2(arguments: tuple[str, ...], words: str, run: Run) -> None:
    code, out, err = run("load", *arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert err.startswith("error: ")


def test_json_is_one_object_a_project_on_stdout(filled: WeaveServer, run: Run) -> None:
    filled.bulk("acme/second", rows=1)
    code, out, err = run("load", "--json", "--project", PROJECT, "--project", "acme/second")
    assert (code, err) == (0, "")
    first, second = [json.loads(line) for line in out.splitlines()]
    assert (first["project"], first["rows"]["trials"], first["status"]) == (PROJECT, 6, "loaded")
    assert (second["project"], second["rows"]["trials"]) == ("acme/second", 1)
    assert first["requests"] == len([entry for entry in filled.requests() if entry["status"]]) - second["requests"]


@pytest.mark.usefixtures("filled")
def test_json_of_an_error_is_json_on_stderr(run: Run) -> None:
    code, out, err = run("load", "--json", "--project", "forbidden-team/x")
    assert (code, out) == (1, "")
    assert json.loads(err)["level"] == "error"


@pytest.mark.usefixtures("filled")
def test_quiet_says_nothing_of_what_went_well(run: Run) -> None:
    assert run("load", "--quiet", "--project", PROJECT) == (0, "", "")


@pytest.mark.usefixtures("filled")
def test_quiet_still_says_what_went_wrong(run: Run) -> None:
    code, out, err = run("load", "--quiet", "--project", "forbidden-team/x")
    assert (code, out) == (1, "")
    assert "forbidden-team/x" in err


@pytest.mark.slow
def test_sigterm_ends_a_load_soon_and_the_next_one_completes_it(filled: WeaveServer, folder: Path, run: Run) -> None:
    filled.add_faults({"kind": "slow", "delay": 12, "match": "eval_results", "times": 1})
    (folder / "scratch").mkdir()
    environment = {**os.environ, "TMPDIR": str(folder / "scratch")}
    command = [*WEAVE_EVAL, "load", "--project", PROJECT]
    slow = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: filled.requests("eval_results"))
    began = time.monotonic()
    slow.send_signal(signal.SIGTERM)
    try:
        _, err = slow.communicate(timeout=20)
    finally:
        slow.kill()
    assert time.monotonic() - began < 8
    assert slow.returncode == 143
    assert "Traceback" not in err
    assert "terminated" in err
    assert list((folder / "scratch").iterdir()) == []
    filled.clear_faults()
    with FileLock(folder / "weave_eval.duckdb.lock", timeout=0):
        pass
    assert run("load", "--project", PROJECT)[0] == 0
    assert len(tables_of(folder / "weave_eval.duckdb")["trials"]) == 6


@pytest.mark.parametrize("name", ["config.toml", "secrets.toml"])
def test_a_file_of_dlts_that_is_no_toml(name: str, folder: Path) -> None:
    (folder / ".dlt").mkdir()
    (folder / ".dlt" / name).write_text("[sources.weave_eval\n", encoding="utf-8")
    done = process("load")
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert name in done.stderr


@pytest.mark.parametrize("arguments", [("load",), ("load", "--json"), ("load", "--dry-run"), ("check",)])
@pytest.mark.parametrize("project", [PROJECT, "forbidden-team/x"])
def test_the_key_is_never_shown(
    filled: WeaveServer, run: Run, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], project: str
) -> None:
    secret = "k3y-that-nobody-sees"
    filled.configure(key=secret)
    monkeypatch.setenv("WANDB_API_KEY", secret)
    code, out, err = run(*arguments, "--project", project)
    assert code == (0 if project == PROJECT else 1)
    assert secret not in out + err
