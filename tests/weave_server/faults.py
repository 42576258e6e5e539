"""Faults that a rule asks for, as an ASGI layer outside the app.

A rule is a JSON object: `{"kind": "truncate_body", "match": "eval_results", "method": "POST", "every": 3,
"skip": 0, "times": 2, "probability": 0.1, ...}`. It fires on each `every`-th matching request after `skip` of
them, `times` at most; `match` is looked for in path and query. The first rule that fires wins.

Kinds: a status such as `"503"` (with `body`), `429_retry_after` and `429_retry_date` (`retry_after` seconds),
`502_html` (a load balancer answering), `slow` and `drip` (`delay` seconds before the answer, or before each
chunk), `truncate_body` (a complete answer with half the body, or `size` bytes of it, or cut at a line end
with `line`), `drop_connection` (half the body, or `size` bytes, then the connection is cut), `drop_before`
(cut without an answer), `malformed_json`, `empty`.
"""

import asyncio
import dataclasses
import email.utils
import json
import random
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

REASONS = {
    400: {"reason": "Bad request"},
    401: {"detail": "Invalid authentication credentials"},
    403: {"reason": "Forbidden"},
    404: {"reason": "Not found"},
    413: {"reason": "Request too large"},
    429: {"reason": "Rate limit exceeded"},
    502: {"reason": "Temporary backend error"},
    504: {"reason": "Query timeout exceeded. Please limit the scope of the query."},
}
HTML = b"<html><head><title>502 Bad Gateway</title></head><body>502</body></html>"
dice = random.Random(0)


@dataclasses.dataclass
class Rule:
    """When a fault happens, and what it is. Raises ValueError for a kind that does not exist."""

    kind: str
    match: str = ""
    method: str = ""
    every: int = 1
    skip: int = 0
    times: int | None = None
    probability: float = 1.0
    retry_after: float = 1
    delay: float = 1
    size: int | None = None
    line: bool = False
    body: Any = None
    seen: int = 0
    fired: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS and not self.kind.isdigit():
            raise ValueError(f"No such fault: {self.kind}. There are statuses and {', '.join(KINDS)}.")

    def fires(self, method: str, target: str) -> bool:
        is_meant = self.match in target and self.method.upper() in ("", method)
        if not is_meant or self.fired == self.times:
            return False
        self.seen += 1
        turn = self.seen - self.skip
        if turn <= 0 or turn % self.every or dice.random() >= self.probability:
            return False
        self.fired += 1
        return True

    def cut(self, body: bytes) -> bytes:
        part = body[: len(body) // 2 if self.size is None else self.size]
        return part[: part.rfind(b"\n") + 1] if self.line else part


@dataclasses.dataclass
class Exchange:
    """One request. `send` keeps the log; `connection` is the server's own `send`."""

    app: App
    scope: Message
    receive: Receive
    send: Send
    connection: Send

    async def answer(self, status: int, body: bytes, kind: str = "application/json", **headers: str) -> None:
        sent = {"content-type": kind, "content-length": str(len(body)), **headers}
        encoded = [(name.replace("_", "-").encode(), value.encode()) for name, value in sent.items()]
        await self.send({"type": "http.response.start", "status": status, "headers": encoded})
        await self.send({"type": "http.response.body", "body": body})

    async def true_answer(self) -> tuple[Message, bytes]:
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await self.app(self.scope, self.receive, keep)
        return messages[0], b"".join(message.get("body", b"") for message in messages[1:])

    async def resend(self, start: Message, body: bytes, length: int, *, is_all: bool = True) -> None:
        kept = [(name, value) for name, value in start["headers"] if name.lower() != b"content-length"]
        await self.send({**start, "headers": [*kept, (b"content-length", str(length).encode())]})
        await self.send({"type": "http.response.body", "body": body, "more_body": not is_all})

    def cut_connection(self) -> None:
        cycle = getattr(self.connection, "__self__", None)
        cycle.transport.abort()  # type: ignore[union-attr]


async def status(rule: Rule, exchange: Exchange, **headers: str) -> None:
    code = int(rule.kind[:3])
    body = REASONS.get(code, {"reason": "Internal server error"}) if rule.body is None else rule.body
    await exchange.answer(code, json.dumps(body).encode(), **headers)


async def retry_after(rule: Rule, exchange: Exchange) -> None:
    await status(rule, exchange, retry_after=str(rule.retry_after))


async def retry_date(rule: Rule, exchange: Exchange) -> None:
    date = email.utils.formatdate(time.time() + rule.retry_after, usegmt=True)
    await status(rule, exchange, retry_after=date)


async def html(_: Rule, exchange: Exchange) -> None:
    await exchange.answer(502, HTML, "text/html")


async def empty(_: Rule, exchange: Exchange) -> None:
    await exchange.answer(200, b"")


async def slow(rule: Rule, exchange: Exchange) -> None:
    await asyncio.sleep(rule.delay)
    await exchange.app(exchange.scope, exchange.receive, exchange.send)


async def drip(rule: Rule, exchange: Exchange) -> None:
    async def slowly(message: Message) -> None:
        await asyncio.sleep(rule.delay if message["type"] == "http.response.body" else 0)
        await exchange.send(message)

    await exchange.app(exchange.scope, exchange.receive, slowly)


async def truncate_body(rule: Rule, exchange: Exchange) -> None:
    start, body = await exchange.true_answer()
    part = rule.cut(body)
    await exchange.resend(start, part, len(part))


async def malformed_json(_: Rule, exchange: Exchange) -> None:
    start, body = await exchange.true_answer()
    middle = max(1, len(body) // 2)
    broken = body[:middle] + b'\x00{"oops"' + body[middle:]
    await exchange.resend(start, broken, len(broken))


async def drop_connection(rule: Rule, exchange: Exchange) -> None:
    start, body = await exchange.true_answer()
    await exchange.resend(start, rule.cut(body), len(body), is_all=False)
    await asyncio.sleep(0.05)
    exchange.cut_connection()


async def drop_before(_: Rule, exchange: Exchange) -> None:
    exchange.cut_connection()


KINDS: dict[str, Callable[[Rule, Exchange], Awaitable[None]]] = {
    "429_retry_after": retry_after,
    "429_retry_date": retry_date,
    "502_html": html,
    "slow": slow,
    "drip": drip,
    "truncate_body": truncate_body,
    "drop_connection": drop_connection,
    "drop_before": drop_before,
    "malformed_json": malformed_json,
    "empty": empty,
}


async def inject(rule: Rule, exchange: Exchange) -> None:
    await KINDS.get(rule.kind, status)(rule, exchange)
