"""Output that cannot be written changes neither what a command does nor its exit code."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from tests.demo_file import FILE
from weave_eval.cli.exit_codes import DONE, FAILED, UNREAD

pytestmark = pytest.mark.slow

PROGRAM = "import sys; from weave_eval.cli.program import program; sys.exit(program())"
RUNS = ("latest:helpdesk-small", "latest:helpdesk-large", "--evaluation", "refund-policy")
RULES = "[[rules]]\nmeasure = 'rows'\nmin = 1\n"


@pytest.fixture
def folder(demo_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the demo's tables and rules that its runs keep, the current one."""
    shutil.copy(demo_file, tmp_path / FILE)
    (tmp_path / "rules.toml").write_text(RULES, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def shell(*arguments: str, rest: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the command line in a shell, which does the `rest`; its exit code is in a file."""
    command = shlex.join([sys.executable, "-c", PROGRAM, *arguments])
    return subprocess.run(
        ["bash", "-c", f"{{ {{ {command}; echo $? >&9; }} {rest}; }} 9>code"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        errors="replace",
        timeout=120,
        check=False,
    )


def code() -> int:
    return int(Path("code").read_text(encoding="utf-8"))


def decisions(folder: Path) -> int:
    with duckdb.connect(str(folder / FILE), read_only=True) as connection:
        (count,) = connection.execute("SELECT count(*) FROM weave.gate_decisions").fetchone() or (0,)
    return int(count)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_what_an_encoding_lacks_is_escaped(folder: Path, encoding: str) -> None:
    done = shell("compare", *RUNS, PYTHONIOENCODING=encoding)
    assert (code(), done.stderr) == (DONE, "")
    assert "helpdesk-large" in done.stdout
    assert folder.exists()


@pytest.mark.parametrize("rest", [">/dev/full", ">&-", "2>/dev/full", "2>&-", ">&- 2>&-", "| true"])
def test_a_decision_stands_whatever_can_be_said_of_it(folder: Path, rest: str) -> None:
    before = decisions(folder)
    done = shell("gate", "--run", RUNS[1], *RUNS[2:], "--rules", "rules.toml", rest=rest)
    assert code() == DONE, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert decisions(folder) == before + 1


def test_an_answer_that_cannot_be_written_is_no_success(folder: Path) -> None:
    done = shell("status", rest=">/dev/full")
    assert (code(), done.stdout) == (FAILED, "")
    assert done.stderr == "error: The answer could not be written to stdout: No space left on device.\n"
    done = shell("dictionary", rest="| true")
    assert (code(), done.stderr) == (UNREAD, "")
    assert folder.exists()


def test_a_load_is_done_although_nothing_can_be_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shell("demo", rest=">&- 2>&-")
    assert code() == DONE
    with duckdb.connect(str(tmp_path / FILE), read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM weave.evaluation_runs").fetchone() == (15,)
