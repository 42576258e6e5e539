"""Alerts about failures, sent to Slack and Sentry.

dlt's settings `runtime.slack_incoming_hook` and `runtime.sentry_dsn` say where. dlt itself opens Sentry,
but sends nothing to Slack.
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
    """Sends a sentence. An alert that cannot be sent changes nothing else: the exit code and the log say the same."""
    _log.error(text)  # Sentry makes an event of what is logged as an error
    hook = resolve_configuration(RuntimeConfiguration()).slack_incoming_hook
    if hook:
        try:
            with _unseen_by_sentry():
                requests.post(hook, json={"text": f"weave-eval: {text}"}, timeout=_TIMEOUT).raise_for_status()
        except requests.RequestException as error:
            # Its message would show the hook's address, which is a secret.
            sys.stderr.write(f"warning: the alert could not be sent to Slack: {type(error).__name__}\n")


def guard_sentry() -> None:
    """Removes the words beside a server's status from what Sentry sends: they can repeat what the server was sent."""
    sentry: Any = sys.modules.get("sentry_sdk")
    if sentry:
        sentry.get_global_scope().add_event_processor(_without_reasons)


def _without_reasons(event: dict[str, Any], _: Any) -> dict[str, Any]:
    """An event or a trace without those words, which Sentry keeps with each request that it has seen."""
    seen = [*event.get("breadcrumbs", {}).get("values", ()), *event.get("spans", ())]
    for request in seen:
        request.get("data", {}).pop("reason", None)
    return event


def _unseen_by_sentry() -> AbstractContextManager[Any]:
    """Hides requests from Sentry, which remembers their addresses and sends them with its next event."""
    sentry: Any = sys.modules.get("sentry_sdk")
    return sentry.isolation_scope() if sentry else nullcontext()
