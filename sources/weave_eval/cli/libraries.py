"""What dlt and the drivers log, and who handles signals."""

from __future__ import annotations

import logging

import dlt
from dlt.common.runtime.run_context import active

from .alerts import guard_sentry
from .console import Console


class _OnConsole(logging.Handler):
    """Prints what is logged while Weave is waited for."""

    def __init__(self, console: Console):
        super().__init__(logging.WARNING)
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        self._console.warning(record.getMessage())


def quieten_libraries(console: Console) -> None:
    """Keeps dlt and the drivers from printing their logs, and leaves signals to `interruption`.

    The console prints what a user needs to know, as JSON if asked for. dlt's own settings (`[runtime] log_level`,
    `intercept_signals`) take precedence.
    """
    logging.captureWarnings(capture=True)
    logging.getLogger().addHandler(logging.NullHandler())
    logging.getLogger("weave_eval.api").handlers = [_OnConsole(console)]
    for name, value in (("runtime.log_level", "CRITICAL"), ("runtime.intercept_signals", False)):
        if dlt.config.get(name) is None:
            dlt.config[name] = value
    active().initialize_runtime()  # importing dlt has already set up its log
    guard_sentry()
