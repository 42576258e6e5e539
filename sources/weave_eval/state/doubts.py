"""What is not believed of Weave without being confirmed: that a project lost its runs at once, or moved elsewhere.

Another server, or a key that sees less, answers as if everything had been deleted.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any
from urllib.parse import urlsplit

_KEY = "servers"
_MANY = 10
"""Runs that are gone at once from which on a share counts: few are deleted every day."""


def is_unlikely(gone: int, held: int, *, is_empty: bool) -> bool:
    """Whether so many of a project's runs are hardly ever deleted at once: all of them, or ten and more than half.

    The only run of a project is deleted often enough, so that one is believed unless the project `is_empty`, without
    other runs and objects: then nothing shows that it is the same project.
    """
    if gone < held:
        return gone >= _MANY and 2 * gone > held
    return gone > 1 or (gone == 1 and is_empty)


def other_server(saved: Mapping[str, Any], project: str, base_url: str) -> str | None:
    """The server that the project was loaded from, if it is not the one at the base URL."""
    known: str | None = saved.get(_KEY, {}).get(project)
    return known if known and not is_same_server(known, base_url) else None


def remember_server(saved: MutableMapping[str, Any], project: str, base_url: str, *, is_read: bool) -> None:
    """Saves which server the project is loaded from, once a run of it `is_read`: before, the URL may be a mistake."""
    servers = saved.get(_KEY, {})
    if is_read or project in servers:
        saved[_KEY] = {**servers, project: base_url}


def is_same_server(first: str, second: str) -> bool:
    """Whether two base URLs lead to one server, whatever their scheme, case and last slash."""
    return _place(first) == _place(second)


def _place(base_url: str) -> str:
    parts = urlsplit(base_url.strip().casefold())
    return f"{parts.netloc}{parts.path.rstrip('/')}"
