"""Failures, told to Slack and Sentry where dlt's settings `runtime.slack_incoming_hook` and `sentry_dsn` lead to them.

dlt itself opens Sentry, but tells Slack nothing.
"""

from __future__ import annotations

import logging
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import requests
from dlt.common.configuration.resolve import resolve_configuration
from dlt.common.configuration.specs import RuntimeConfiguration

_TIMEOUT = (3.0, 10.0)  # seconds, to connect and to answer

_log = logging.getLogger("weave_eval")


def send_alert(text: str) -> None:
    """Sends a sentence. An alert that cannot be sent changes nothing: the exit code and the log tell the same."""
    _log.error(text)  # what is logged as an error is an event for Sentry
    hook = resolve_configuration(RuntimeConfiguration()).slack_incoming_hook
    if hook:
        try:
            with _unseen_by_sentry():
                requests.post(hook, json={"text": f"weave-eval: {text}"}, timeout=_TIMEOUT).raise_for_status()
        except requests.RequestException as error:
            # Its message would show the hook's address, which is a secret.
            sys.stderr.write(f"warning: Slack could not be told: {type(error).__name__}\n")


def _unseen_by_sentry() -> AbstractContextManager[Any]:
    """Sentry remembers the addresses of requests, and sends them with its next event."""
    sentry: Any = sys.modules.get("sentry_sdk")
    return sentry.isolation_scope() if sentry else nullcontext()
