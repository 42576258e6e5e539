from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.checkout import CHECKOUT

TESTS = {
    "test_one.py": """
def test_twice(record):
    record("rounds", "small", 2, column="duckdb")
    record("tries", "500", column="page", mark="=")
    record("tries", "500", column="page", mark="!")

def test_that_fails(record):
    assert False
    record("rounds", "never")
""",
    "test_other.py": """
def test_once(record):
    record("rounds", "small", 3, column="duckdb")
    record("rounds", "large", column="postgres")
""",
}


@pytest.mark.parametrize("workers", ["0", "2"])
def test_what_is_recorded_is_shown_at_the_end(tmp_path: Path, workers: str) -> None:
    for name, text in TESTS.items():
        (tmp_path / name).write_text(text)
    command = [sys.executable, "-m", "pytest", "-p", "tests.evidence", "-n", workers, "--dist=loadfile", "--rootdir=."]
    environment = {"PYTHONPATH": str(CHECKOUT), "PATH": ""}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    lines = [line.split() for line in done.stdout.splitlines()]
    titles = [" ".join(words).strip("= ") for words in lines]
    assert "6 rounds" in titles
    assert "2 tries" in titles
    assert not [words for words in lines if words[:1] == ["never"]]
    for expected in (["small", "5"], ["large", "1"], ["500", "=!"]):
        assert expected in lines, done.stdout + done.stderr
