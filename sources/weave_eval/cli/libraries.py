"""What dlt and the drivers log, and who handles signals."""

from __future__ import annotations

import logging

import dlt
from dlt.common.runtime.run_context import active

from .alerts import guard_sentry


def quieten_libraries() -> None:
    """Keeps dlt and the drivers from printing their logs, and leaves signals to `interruption`.

    The console prints what a user needs to know, as JSON if asked for. dlt's own settings (`[runtime] log_level`,
    `intercept_signals`) take precedence.
    """
    logging.captureWarnings(capture=True)
    logging.getLogger().addHandler(logging.NullHandler())
    for name, value in (("runtime.log_level", "CRITICAL"), ("runtime.intercept_signals", False)):
        if dlt.config.get(name) is None:
            dlt.config[name] = value
    active().initialize_runtime()  # importing dlt has already set up its log
    guard_sentry()
