"""Weave refs: the addresses of object versions, ops and calls.

`weave:///ENTITY/PROJECT/object/NAME:DIGEST`, `.../op/NAME:DIGEST`, `.../call/ID`, optionally followed by a path
into the object, such as `/attr/rows/id/ROW_DIGEST`. Refs into projects that the key cannot read come as
`weave-private://///...`.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote

_REF = re.compile(
    r"(?P<scheme>weave|weave-private)://+(?:(?P<entity>[^/]+)/(?P<project>[^/]+)/)?"
    r"(?P<kind>object|op|call|table)/(?P<name>[^/:]+)(?::(?P<digest>[^/]*))?(?P<path>/.*)?",
    re.DOTALL,
)


class Ref(NamedTuple):
    """A parsed ref. `kind` is `object`, `op`, `call` or `table`; `digest` is empty for calls and tables."""

    kind: str
    name: str
    digest: str
    entity: str
    project: str
    path: str


def parse_ref(text: object) -> Ref | None:
    """The parts of a ref, or None if `text` is not one."""
    match = _REF.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    part = match.groupdict(default="")
    return Ref(part["kind"], part["name"], part["digest"], part["entity"], part["project"], part["path"])


def call_url(web_base_url: str, project_id: str, call_id: str) -> str:
    """Where people see a call; a project's name may hold blanks and more that no URL can."""
    return f"{web_base_url}/{quote(project_id, errors='replace')}/r/call/{quote(call_id, errors='replace')}"


def is_ref(text: object) -> bool:
    """Whether `text` is a ref of any kind, readable or private."""
    return isinstance(text, str) and text.startswith(("weave:///", "weave-private:///"))
