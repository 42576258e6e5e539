"""The command line as a scheduler runs it: a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

from tests.processes import WEAVE_EVAL


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*WEAVE_EVAL, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path.cwd()
    )


def run(*arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr."""
    process = start(*arguments)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def stop(process: subprocess.Popen[str], number: signal.Signals) -> tuple[int, str, str, float]:
    """Sends a signal; gives the exit code, what was printed, and the seconds until the end."""
    began = time.monotonic()
    process.send_signal(number)
    try:
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    return process.returncode, out, err, time.monotonic() - began


def working_files() -> Path:
    return Path(os.environ["DLT_DATA_DIR"], "pipelines")
