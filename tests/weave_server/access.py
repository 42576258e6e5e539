"""HTTP Basic, user `api`, the key as password."""

import base64
from typing import Annotated

from fastapi import Depends, HTTPException, Request

from tests.weave_server.service import service

USER_ID = "VXNlcjoxMjM0NTY="


def refuse(detail: str) -> HTTPException:
    return HTTPException(401, detail, headers={"WWW-Authenticate": "Basic"})


def authenticate(request: Request) -> str:
    """The user's id. Raises 401 without the right key."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        raise refuse("Not authenticated")
    try:
        credentials = base64.b64decode(value).decode("ascii")
    except ValueError:
        raise refuse("Invalid authentication credentials") from None
    if credentials != f"api:{service.settings.key}":
        raise refuse("Invalid authentication credentials")
    return USER_ID


User = Annotated[str, Depends(authenticate)]
