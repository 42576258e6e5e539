"""`weave-eval demo`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.running import Run, run_ids

pytestmark = pytest.mark.usefixtures("folder")


def test_demo_needs_no_account(run: Run, folder: Path) -> None:
    code, out, err = run("demo")
    assert (code, err) == (0, "")
    assert "Loaded" in out
    assert run_ids(folder)
