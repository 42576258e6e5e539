"""Answers: JSON, JSON lines, errors."""

import dataclasses
import datetime as dt
import json
import logging
import math
from collections.abc import Callable, Iterator
from typing import Any

from fastapi.responses import JSONResponse, Response, StreamingResponse
from weave.trace_server.errors import handle_server_exception

from tests.weave_server.identities import ForbiddenError
from tests.weave_server.service import service

logger = logging.getLogger(__name__)


def error_reply(error: Exception) -> JSONResponse:
    if isinstance(error, ForbiddenError):
        return JSONResponse({"reason": "Forbidden"}, 403)
    known = handle_server_exception(error)
    if known.status_code >= 500:
        logger.error("server error", exc_info=error)
    return JSONResponse(known.message, known.status_code)


def json_bytes(answer: Any) -> bytes:
    """One JSON text, with NaN as the settings say."""
    is_model = hasattr(answer, "model_dump_json")
    if service.settings.nan == "null" and is_model:
        return bytes(answer.model_dump_json(by_alias=True).encode())
    data = answer.model_dump(mode="python", by_alias=True) if is_model else answer
    if service.settings.nan == "null":
        data = without_nan(data)
    return json.dumps(data, default=plain, allow_nan=service.settings.nan != "error").encode()


def plain(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return value.isoformat().replace("+00:00", "Z")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return value.value


def without_nan(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    return [without_nan(item) for item in value] if isinstance(value, list) else value


def reply(call: Callable[[], Any]) -> Response:
    try:
        return Response(json_bytes(call()), media_type="application/json")
    except Exception as error:  # noqa: BLE001 - W&B's error table says what each becomes
        return error_reply(error)


def reply_lines(call: Callable[[], Iterator[Any]]) -> Response:
    """JSON lines. An error before the first is an ordinary error; a later one breaks the connection."""
    try:
        items = iter(call())
        first = next(items, None)
    except Exception as error:  # noqa: BLE001 - as above
        return error_reply(error)
    return StreamingResponse(lines(first, items), media_type="application/jsonl")


def lines(first: Any, rest: Iterator[Any]) -> Iterator[bytes]:
    if first is not None:
        yield json_bytes(first) + b"\n"
    for item in rest:
        yield json_bytes(item) + b"\n"
