"""The log of requests, and the place where faults are injected."""

import asyncio
import json
import time
from typing import Any
from urllib.parse import parse_qsl

from starlette.middleware.gzip import GZipMiddleware

from tests.weave_server.faults import App, Exchange, Message, Receive, Rule, Send, inject
from tests.weave_server.service import service

LOGGED_BODY = 4000  # bytes; a larger request body is logged by its size


class Traffic:
    """An ASGI layer around the app: logs every request that is no control, and applies the rules."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.zipped = GZipMiddleware(app, minimum_size=500)
        self.rules: list[Rule] = []
        self.log: list[dict[str, Any]] = []
        self.started = time.monotonic()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/__"):
            await self.app(scope, receive, send)
            return
        body = await read_body(receive)
        target = f"{scope['path']}?{scope['query_string'].decode()}"
        rule = next((rule for rule in self.rules if rule.fires(scope["method"], target)), None)
        entry = self.entry(scope, body, rule)
        app = self.zipped if service.settings.gzip else self.app
        exchange = Exchange(app, scope, replay(body), logged(send, entry), send)
        await (inject(rule, exchange) if rule else app(scope, exchange.receive, exchange.send))

    def entry(self, scope: Message, body: bytes, rule: Rule | None) -> dict[str, Any]:
        headers = {name.decode().lower(): value.decode("latin-1") for name, value in scope["headers"]}
        made = {
            "seconds": round(time.monotonic() - self.started, 4),
            "method": scope["method"],
            "path": scope["path"],
            "query": parse_qsl(scope["query_string"].decode(), keep_blank_values=True),
            "headers": {name: value for name, value in headers.items() if name != "authorization"},
            "body": parsed(body),
            "fault": rule.kind if rule else None,
            "status": None,
            "milliseconds": None,
            "bytes": 0,
        }
        self.log.append(made)
        return made


def logged(send: Send, entry: dict[str, Any]) -> Send:
    begun = time.perf_counter()

    async def log_and_send(message: Message) -> None:
        if message["type"] == "http.response.start":
            entry["status"] = message["status"]
        entry["bytes"] += len(message.get("body", b""))
        entry["milliseconds"] = round((time.perf_counter() - begun) * 1000, 2)
        await send(message)

    return log_and_send


async def read_body(receive: Receive) -> bytes:
    body: bytes = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


def replay(body: bytes) -> Receive:
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if messages:
            return messages.pop()
        await asyncio.sleep(3600)
        return {"type": "http.disconnect"}

    return receive


def parsed(body: bytes) -> Any:
    if len(body) > LOGGED_BODY:
        return f"<{len(body)} bytes>"
    try:
        return json.loads(body) if body else None
    except ValueError:
        return f"<{len(body)} bytes>"
