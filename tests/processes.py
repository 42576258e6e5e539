"""The command line as a process, and waiting for what processes do."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

WEAVE_EVAL = (sys.executable, "-c", "import sys; from weave_eval.cli import main; sys.exit(main())")


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    """Returns once the condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)
