"""Versions of evaluations, models, datasets and scorers, and of the ops that serve as models or scorers.

Versions never change once made, so a load reads those that are new, and those that runs and evaluations name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from ..api.client import WeaveClient
from ..api.lists import parse_cleaned, parse_items, read_pages
from ..errors import NoAccessError, NotFoundError, UnreadableBodyError
from ..rows.columns import TableRow
from ..state.cursor import Cursor
from ..tables import TABLES
from ..times import parse_time
from ..weave.refs import Ref, parse_ref
from ..weave.sanitize import Changes, json_or_none

PAGE = 500
"""Versions asked for at once."""

TABLE_OF_CLASS = {table.weave_class: table.name for table in TABLES if table.weave_class}
"""The table of each base class."""

_IDS_AT_ONCE = 200
_LARGEST = 2**63 - 1
_KINDS = frozenset({"object", "op"})
_WITHOUT_MEANING = frozenset({"project_id", "is_latest"})
"""Fields that say nothing about a version: the project is a column, and another version is the latest tomorrow."""
_IN_COLUMNS = frozenset({
    "object_id", "digest", "version_index", "created_at", "kind", "wb_user_id", "deleted_at", "val",
})  # fmt: skip
_DELETED = re.compile(r"was deleted at (\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?)")

Version = dict[str, Any]
"""One of `objs` in the API's answer."""

Rows = dict[str, list[TableRow]]
"""Rows by table."""


def has_objects(client: WeaveClient) -> bool:
    """Whether the project has any object, such as an evaluation: without, it may be another project of that name."""
    body = {"project_id": client.project_id, "limit": 1}
    parse = partial(parse_items, name="objs", changes=Changes())
    return bool(client.post("/objs/query", body, parse, purpose="looking whether there are objects"))


@dataclass(frozen=True)
class WantedRefs:
    """Refs that runs name and that must have a row, whatever their age.

    `known` are refs that have a row already and are not looked for again, so that a version that was deleted after
    it was loaded keeps its definition.
    """

    evaluations: frozenset[str] = frozenset()
    models: frozenset[str] = frozenset()
    known: frozenset[str] = frozenset()


@dataclass
class ObjectsRead:
    """What was read: rows by table, the new cursor, what was left out."""

    rows: Rows
    cursor: Cursor
    warnings: list[str] = field(default_factory=list)


def ref_of(version: Version) -> str:
    """Ref of a version, as runs and evaluations write it."""
    kind = "op" if version.get("kind") == "op" else "object"
    return f"weave:///{version['project_id']}/{kind}/{version['object_id']}:{version['digest']}"


def scorer_refs_of(definition: Any) -> list[str]:
    """Refs of the scorers that an evaluation's definition names, objects or ops, in its order.

    The version of the scorer behind a score is found through the run: `scores.run_id` joins `evaluation_runs`, its
    `evaluation_ref` joins `evaluations.ref`, and the one of `evaluations.scorer_refs` whose name is `scorer_name`
    joins `scorers.ref` (see `scorer_ref_named`). Runs logged with EvaluationLogger have an evaluation without
    scorers; for them `feedback.extra.runnable_ref` names the version.
    """
    scorers = definition.get("scorers") if isinstance(definition, dict) else None
    return [scorer for scorer in scorers if isinstance(scorer, str)] if isinstance(scorers, list) else []


def scorer_ref_named(scorer_name: str, scorer_refs: Iterable[str]) -> str | None:
    """The ref among `scorer_refs` that gave the scores under `scorer_name`: W&B names both alike.

    The name in the ref is the scorer's `object_id`: its name (without one, its class; for a function, the function)
    with everything but letters, digits, dots and underscores replaced by a dash.
    """
    named = (ref for ref in scorer_refs if (parsed := parse_ref(ref)) and parsed.name == scorer_name)
    return next(named, None)


def object_row(table: str, version: Version) -> TableRow:
    """The row of a version in `table`."""
    definition = version.get("val")
    fields = definition if isinstance(definition, dict) else {}
    row = {
        "ref": ref_of(version),
        "object_id": version["object_id"],
        "name": _text(fields.get("name")) or version["object_id"],
        "digest": version["digest"],
        "version_index": _bigint(version.get("version_index")),
        "created_at": _time(version.get("created_at")),
        "description": _text(fields.get("description")),
        "kind": "op" if version.get("kind") == "op" else "object",
        "user_id": version.get("wb_user_id"),
        "deleted_at": _time(version.get("deleted_at")),
        "definition": json_or_none(definition),
        "extra": _extra(version),
    }
    return row | _evaluation_columns(fields) if table == "evaluations" else row


def _evaluation_columns(fields: dict[str, Any]) -> TableRow:
    has_scorers = isinstance(fields.get("scorers"), list)
    return {
        "dataset_ref": _text(fields.get("dataset")),
        "trials": _bigint(fields.get("trials")),
        "scorer_refs": json_or_none(scorer_refs_of(fields) if has_scorers else None),
    }


def _extra(version: Version) -> bytes | None:
    known = _IN_COLUMNS | _WITHOUT_MEANING
    return json_or_none(
        {name: value for name, value in version.items() if name not in known and value is not None} or None
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _bigint(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _LARGEST else None


def _time(value: Any) -> datetime | None:
    return parse_time(value) if isinstance(value, str) else None


def read_objects(client: WeaveClient, cursor: Cursor, wanted: WantedRefs) -> ObjectsRead:
    """The versions that are new since `cursor`, and those that `wanted` and the new evaluations name.

    One request if there is nothing new and nothing wanted. What the key may not read, or Weave no longer has, is
    left out with a warning; a deleted version that is wanted has a row with little more than `deleted_at`.
    """
    reader = _VersionReader(client, wanted.known)
    listed = reader.list_versions(cursor.since)
    fresh = [version for version in listed if not cursor.has(ref_of(version))]
    for version in fresh:
        reader.keep(TABLE_OF_CLASS[version["base_object_class"]], version)
    reader.look_up({("evaluations", ref) for ref in wanted.evaluations})
    named = {("models", ref) for ref in wanted.models}
    for definition in reader.evaluation_definitions():
        named |= {("scorers", ref) for ref in scorer_refs_of(definition)}
        named |= {("datasets", ref) for ref in (definition.get("dataset"),) if isinstance(ref, str)}
    reader.look_up(named)
    times = ((parse_time(version["created_at"]), ref_of(version)) for version in listed)
    return ObjectsRead(reader.rows(), cursor.after(times), reader.warnings())


class _VersionReader:
    """Reads versions and keeps each once for every table that needs it."""

    def __init__(self, client: WeaveClient, known: frozenset[str]):
        self._client = client
        self._known = known
        self._changes = Changes()
        self._versions: dict[str, Version] = {}
        self._kept: dict[str, dict[str, Version]] = {table: {} for table in TABLE_OF_CLASS.values()}
        self._unreadable: set[str] = set()
        self._missing: set[str] = set()

    def keep(self, table: str, version: Version) -> None:
        """Has `table` get a row for the version."""
        self._kept[table][ref_of(version)] = version

    def rows(self) -> Rows:
        """The rows of all that was kept."""
        return {table: [object_row(table, v) for v in kept.values()] for table, kept in self._kept.items()}

    def evaluation_definitions(self) -> list[dict[str, Any]]:
        """Definitions of the evaluations that were kept."""
        definitions = [version.get("val") for version in self._kept["evaluations"].values()]
        return [definition for definition in definitions if isinstance(definition, dict)]

    def warnings(self) -> list[str]:
        """What was left out or changed."""
        warnings = [f"objects: {warning}" for warning in self._changes.warnings()]
        for refs, why in (
            (self._unreadable, "in a project that this API key cannot read"),
            (self._missing, "unknown to Weave"),
        ):
            if refs:
                some = ", ".join(sorted(refs)[:3])
                warnings.append(f"objects: {len(refs)} named versions are left out, being {why}: {some}")
        return warnings

    def list_versions(self, since: datetime | None) -> list[Version]:
        """All versions of the four classes made at `since` or later, newest first, each once."""
        chosen = {"base_object_classes": list(TABLE_OF_CLASS), "is_op": False, "latest_only": False}
        listed: dict[str, Version] = {}
        for page in self._pages(chosen, "listing the evaluations, models, datasets and scorers"):
            new_enough = [v for v in page if since is None or parse_time(v["created_at"]) >= since]
            listed |= {ref_of(version): version for version in new_enough}
            if len(new_enough) < len(page):
                break
        self._versions |= listed
        return list(listed.values())

    def look_up(self, named: set[tuple[str, str]]) -> None:
        """Reads the versions that are named (table and ref), where that was not done, and keeps them."""
        parsed = {(table, ref): parse_ref(ref) for table, ref in named if ref not in self._known}
        wanted = {(table, _address(ref)): ref for (table, _), ref in parsed.items() if ref and ref.kind in _KINDS}
        self._read_own([ref for (_, address), ref in wanted.items() if address not in self._versions])
        for (table, address), ref in sorted(wanted.items()):
            version = self._versions.get(address) or self._read_one(address, ref)
            if version:
                self.keep(table, version)

    def _read_own(self, refs: Iterable[Ref]) -> None:
        """Reads the refs into this project, many at once."""
        own = [ref for ref in refs if f"{ref.entity}/{ref.project}" == self._client.project_id]
        for is_op in (False, True):
            addresses: dict[str, set[str]] = {}
            for ref in own:
                if (ref.kind == "op") is is_op:
                    addresses.setdefault(ref.name, set()).add(_address(ref))
            names = sorted(addresses)
            for start in range(0, len(names), _IDS_AT_ONCE):
                some = names[start : start + _IDS_AT_ONCE]
                self._read_named(some, set().union(*map(addresses.__getitem__, some)), is_op=is_op)

    def _read_named(self, names: list[str], addresses: set[str], *, is_op: bool) -> None:
        chosen = {"object_ids": names, "is_op": is_op, "latest_only": False}
        for page in self._pages(chosen, "reading the versions that runs and evaluations name"):
            self._versions |= {ref_of(version): version for version in page if ref_of(version) in addresses}
            if addresses <= self._versions.keys():
                return

    def _pages(self, chosen: dict[str, Any], purpose: str) -> Iterator[list[Version]]:
        """Pages of versions, newest first."""

        def fetch(offset: int, limit: int) -> list[Version]:
            body = {
                "project_id": self._client.project_id,
                "filter": chosen,
                "sort_by": [
                    {"field": "created_at", "direction": "desc"},
                    {"field": "object_id", "direction": "asc"},
                ],
                "limit": limit,
                "offset": offset,
            }
            return self._client.post("/objs/query", body, self._parse_page, purpose=purpose)

        return read_pages(fetch, PAGE)

    def _parse_page(self, body: bytes) -> list[Version]:
        return [_checked(version) for version in parse_items(body, "objs", self._changes)]

    def _read_one(self, address: str, ref: Ref) -> Version | None:
        """One version, of any project; None if it cannot be read."""
        if not ref.entity:
            self._unreadable.add(address)
            return None
        project = f"{ref.entity}/{ref.project}"
        body = {"project_id": project, "object_id": ref.name, "digest": ref.digest}
        parse = partial(_parse_version, changes=self._changes)
        try:
            version = self._client.post("/obj/read", body, parse, purpose=f"reading {address} for the evaluations")
        except NoAccessError:
            self._unreadable.add(address)
            return None
        except NotFoundError as error:
            return self._take_deleted(project, ref, str(error))
        self._versions[address] = version
        return version

    def _take_deleted(self, project: str, ref: Ref, sentence: str) -> Version | None:
        """What is known of a version if `sentence`, Weave's refusal to show it, says that it was deleted."""
        found = _DELETED.search(sentence)
        if not found:
            self._missing.add(_address(ref))
            return None
        named = {"project_id": project, "object_id": ref.name, "digest": ref.digest, "kind": ref.kind}
        return {**named, "deleted_at": found[1]}


def _address(ref: Ref) -> str:
    """The ref of the whole version, without a path into it."""
    place = f"{ref.entity}/{ref.project}/" if ref.entity else ""
    scheme = "weave:///" if ref.entity else "weave-private://///"
    return f"{scheme}{place}{ref.kind}/{ref.name}:{ref.digest}"


def _parse_version(body: bytes, changes: Changes) -> Version:
    answer = parse_cleaned(body, changes)
    version = answer.get("obj") if isinstance(answer, dict) else None
    if not isinstance(version, dict):
        raise UnreadableBodyError("it has no obj")
    return _checked(version)


def _checked(version: Version) -> Version:
    try:
        ref_of(version)
        parse_time(version["created_at"])
        _time(version.get("deleted_at"))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnreadableBodyError(f"an item is not a version of an object: {error}") from None
    return version
