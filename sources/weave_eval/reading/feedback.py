"""Feedback: notes, reactions, annotations and scores, given to a run, to a trial, or to a call inside one.

Feedback is only ever added, so a load reads what was added since the last one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from ..api.bodies import WholeBody
from ..api.calls import checked_call, read_calls
from ..api.client import WeaveClient
from ..api.json_lines import parse_lines
from ..api.lists import parse_cleaned, parse_items, read_pages
from ..api.query import Expression, at_least, contains, where
from ..errors import UnreadableBodyError
from ..rows.columns import TableRow
from ..state.cursor import OVERLAP, Cursor
from ..times import parse_time
from ..weave.refs import parse_ref
from ..weave.sanitize import Changes, to_json
from ..weave.trials import is_trial_op
from .discovery import EVALUATE_OPS

PAGE = 1000
"""Items asked for at once; also the most ids that a calls query takes."""

_RUNNABLE = "wandb.runnable."
_MOST_LEVELS = 32
_REMEMBERED_CALLS = 100_000
_ROWS_PATH = "/attr/rows/id/"
_ROW = re.compile(re.escape(_ROWS_PATH) + "([^/]+)")
_IN_COLUMNS = frozenset({"id", "project_id", "feedback_type", "weave_ref", "creator", "created_at", "payload"})
_UNSET: tuple[Any, ...] = (None, "", "UNSET", [], {})

Item = dict[str, Any]
"""One of `result` in the API's answer."""


class Place(NamedTuple):
    """Where in the evaluations a call is: its run, and its trial and that trial's input, where there is one."""

    run_id: str | None = None
    trial_id: str | None = None
    row_digest: str | None = None


NOWHERE = Place()


@dataclass
class FeedbackRead:
    """One page of feedback, and the cursor once it is loaded."""

    rows: list[TableRow]
    cursor: Cursor
    warnings: list[str] = field(default_factory=list)


def call_id_of(item: Item) -> str | None:
    """Id of the call that the feedback was given to; None if it was given to something else."""
    ref = parse_ref(item.get("weave_ref"))
    return ref.name if ref and ref.kind == "call" else None


def scorer_name_of(item: Item) -> str | None:
    """Name of the scorer that gave the feedback, as in `scores.scorer_name`; None if no scorer did."""
    ref = parse_ref(item.get("runnable_ref"))
    if ref:
        return ref.name
    feedback_type = str(item.get("feedback_type") or "")
    return feedback_type.removeprefix(_RUNNABLE) or None if feedback_type.startswith(_RUNNABLE) else None


def feedback_row(item: Item, place: Place) -> TableRow:
    """The row of a feedback item that was given to a call at `place`."""
    payload = item.get("payload")
    return {
        "feedback_id": item["id"],
        "feedback_type": item.get("feedback_type"),
        "call_id": call_id_of(item),
        "run_id": place.run_id,
        "row_digest": place.row_digest,
        "trial_id": place.trial_id,
        "creator": item.get("creator"),
        "created_at": parse_time(item["created_at"]),
        "scorer_name": scorer_name_of(item),
        "payload": None if payload is None else to_json(payload),
        "weave_ref": item.get("weave_ref"),
        "extra": _extra(item),
    }


def _extra(item: Item) -> bytes | None:
    extra = {name: value for name, value in item.items() if name not in _IN_COLUMNS and value not in _UNSET}
    return to_json(extra) if extra else None


def read_feedback(
    client: WeaveClient, cursor: Cursor, now: datetime, evaluate_ops: Sequence[str] = EVALUATE_OPS
) -> Iterator[FeedbackRead]:
    """The feedback that was added since `cursor`, oldest first, in pages; none, for one request, if there is none.

    Feedback that is younger than an hour and was given to a call that Weave does not show yet is handed out, and
    again by the next load, which may find the call.
    """
    places = _Places(client, frozenset(evaluate_ops))
    listed: list[tuple[datetime, str]] = []
    pending: set[str] = set()
    changes = Changes()
    for page in _pages(client, cursor, changes):
        fresh = list({item["id"]: item for item in page if not cursor.has(item["id"])}.values())
        unplaced = places.load({call_id for item in fresh if (call_id := call_id_of(item))})
        rows = [feedback_row(item, places.of(call_id_of(item))) for item in fresh]
        listed += [(parse_time(item["created_at"]), item["id"]) for item in page]
        young = {row["feedback_id"] for row in rows if row["created_at"] > now - OVERLAP}
        pending |= {item["id"] for item in fresh if call_id_of(item) in unplaced} & young
        if rows:
            warnings = [f"feedback: {warning}" for warning in changes.warnings()]
            yield FeedbackRead(rows, cursor.after(listed, pending), warnings)
            changes.clear()


def _pages(client: WeaveClient, cursor: Cursor, changes: Changes) -> Iterator[list[Item]]:
    """Pages of everything from `cursor.since` on."""
    parse = partial(_parse_page, changes=changes)

    def fetch(offset: int, limit: int) -> list[Item]:
        body = _query(client.project_id, cursor.since, limit, offset)
        return client.post("/feedback/query", body, parse, purpose="reading the feedback")

    return read_pages(fetch, PAGE)


def _query(project_id: str, since: datetime | None, limit: int, offset: int) -> dict[str, Any]:
    body: dict[str, Any] = {
        "project_id": project_id,
        "sort_by": [{"field": "created_at", "direction": "asc"}, {"field": "id", "direction": "asc"}],
        "limit": limit,
        "offset": offset,
    }
    if since:
        body["query"] = where(at_least("created_at", since))
    return body


def _parse_page(body: bytes, changes: Changes) -> list[Item]:
    items = parse_items(body, "result", changes)
    try:
        for item in items:
            parse_time(item["created_at"])
            str.__len__(item["id"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnreadableBodyError(f"an item is not feedback: {error}") from None
    return items


class _Call(NamedTuple):
    parent_id: str | None
    op: str


class _Places:
    """Finds the places of calls, and remembers their parents."""

    def __init__(self, client: WeaveClient, evaluate_ops: frozenset[str]):
        self._client = client
        self._evaluate_ops = evaluate_ops
        self._calls: dict[str, _Call] = {}
        self._digests: dict[str, str | None] = {}

    def load(self, call_ids: set[str]) -> set[str]:
        """Asks for the calls, for what they are inside of, and for the trials' inputs. Gives those that were not found.

        One request for each level between the calls and their runs, and one for the inputs.
        """
        if len(self._calls) > _REMEMBERED_CALLS:
            self._calls.clear()
            self._digests.clear()
        unfound: set[str] = set()
        for _ in range(_MOST_LEVELS):
            tops = {top for call_id in call_ids if (top := self._unknown_above(call_id))} - unfound
            if not tops:
                break
            self._load_calls(tops)
            unfound |= tops - self._calls.keys()
        self._load_digests({trial for call_id in call_ids if (trial := self._trial_and_run(call_id)[0])})
        return {call_id for call_id in call_ids if self._unknown_above(call_id) in unfound}

    def of(self, call_id: str | None) -> Place:
        """Where the call is; `NOWHERE` if it is part of no evaluation run."""
        trial_id, run_id = self._trial_and_run(call_id)
        return Place(run_id, trial_id, self._digests.get(trial_id) if trial_id else None)

    def _path(self, call_id: str | None) -> Iterator[tuple[str, _Call | None]]:
        """The call and those around it, from the inside out, up to a run; None for one that was not asked for."""
        for _ in range(_MOST_LEVELS):
            if call_id is None:
                return
            call = self._calls.get(call_id)
            yield call_id, call
            if call is None or call.op in self._evaluate_ops:
                return
            call_id = call.parent_id

    def _unknown_above(self, call_id: str) -> str | None:
        return next((above for above, call in self._path(call_id) if call is None), None)

    def _trial_and_run(self, call_id: str | None) -> tuple[str | None, str | None]:
        trial_id = None
        for above, call in self._path(call_id):
            if call and call.op in self._evaluate_ops:
                return trial_id, above
            if call and is_trial_op(call.op):
                trial_id = above
        return None, None

    def _load_calls(self, call_ids: set[str]) -> None:
        for call in self._query(call_ids, ["id", "parent_id", "op_name"]):
            ref = parse_ref(call.get("op_name"))
            self._calls[call["id"]] = _Call(call.get("parent_id"), ref.name if ref else str(call.get("op_name")))

    def _load_digests(self, trial_ids: set[str]) -> None:
        """Digests of the trials' inputs that are refs into a dataset; others can be large and are not asked for."""
        unknown = trial_ids - self._digests.keys()
        self._digests |= dict.fromkeys(unknown)
        for call in self._query(unknown, ["id", "inputs.example"], contains("inputs.example", _ROWS_PATH)):
            inputs = call.get("inputs")
            self._digests[call["id"]] = row_digest_of(inputs.get("example") if isinstance(inputs, dict) else None)

    def _query(
        self, call_ids: Collection[str], columns: list[str], condition: Expression | None = None
    ) -> Iterator[dict[str, Any]]:
        ids = sorted(call_ids)
        for start in range(0, len(ids), PAGE):
            body: dict[str, Any] = {
                "project_id": self._client.project_id,
                "filter": {"call_ids": ids[start : start + PAGE]},
                "columns": columns,
            }
            if condition:
                body["query"] = where(condition)
            purpose = "finding the runs that feedback belongs to"
            yield from read_calls(
                self._client,
                body,
                partial(WholeBody, _parse_calls),
                purpose=purpose,
                at_most=len(ids[start : start + PAGE]),
            )


def row_digest_of(example: Any) -> str | None:
    """Digest of a trial's input, if `example` is a ref to a row of a dataset."""
    ref = parse_ref(example)
    row = _ROW.fullmatch(ref.path) if ref else None
    return row[1] if row else None


def _parse_calls(body: bytes) -> list[dict[str, Any]]:
    return parse_lines(body, lambda line: checked_call(parse_cleaned(line, Changes())), "call")
