"""Which evaluation runs a project has: from the calls API, which lists every kind of run.

`GET evaluation_runs` lists only the runs that were made through the v2 API. It is used where only those are wanted,
and to distinguish a run that does not exist from a call that is not an evaluation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

import msgspec

from ..api.calls import MOST_ATTEMPTS, Query, count_calls, ended_early
from ..api.client import WeaveClient
from ..api.json_lines import parse_lines
from ..api.query import Expression, all_of, any_of, at_least, at_most, before, contains, equal, negated, where
from ..errors import NotFoundError, TerminalApiError
from ..weave.refs import parse_ref
from ..weave.run_filter import RunFilter
from ..weave.runs import CALL_COLUMNS, Run, parse_run

PAGE = 1000
"""Runs asked for at once; also the most ids that a filter takes."""

EVALUATE_OPS = ("Evaluation.evaluate", "Evaluation-evaluate")
"""The ops whose calls are evaluation runs: the name that Weave gives it, and the one that early versions gave."""

_LISTING = "listing the evaluation runs"
_PAGE_OF_RUNS = {"sort_by": [{"field": "started_at", "direction": "desc"}], "columns": list(CALL_COLUMNS)}


def list_runs(
    client: WeaveClient,
    wanted: RunFilter,
    known: Iterable[str] = (),
    ops: Sequence[str] = EVALUATE_OPS,
) -> list[Run]:
    """All runs that match, latest start first, each once.

    A stream of lines can end early without a sign, so the runs are counted too. `known` are ids that were listed
    before: a list of just these needs no count, for what it may have lost at its end comes with the next one.
    """
    listing = _Listing(client, wanted, ops)
    listing.read()
    if listing.found and listing.found.keys() == set(known):
        return list(listing.found.values())
    for _ in range(MOST_ATTEMPTS):
        count = count_calls(client, listing.query(), _LISTING)
        while len(listing.found) < count and listing.read():
            pass
        if len(listing.found) >= count:
            return list(listing.found.values())
        listing.start_over()
    raise ended_early(client, _LISTING, len(listing.found), count)


class _Listing:
    """Pages of runs.

    A page begins at the start of the last run read, not at an offset: what is deleted or added meanwhile pushes no
    other run out of it.
    """

    def __init__(self, client: WeaveClient, wanted: RunFilter, ops: Sequence[str]):
        self.found: dict[str, Run] = {}
        self._client = client
        self._wanted = wanted
        self._filter = runs_filter(client.project_id, wanted, ops)
        self._earliest: datetime | None = None

    def read(self) -> bool:
        """Reads on until a page is not full; returns whether it found more."""
        before, offset = len(self.found), 0
        while True:
            earliest = self._earliest
            body = {**self.query(earliest), **_PAGE_OF_RUNS, "limit": PAGE, "offset": offset}
            page = self._client.post("/calls/stream_query", body, _parse_runs, purpose=_LISTING)
            self._add(page)
            if len(page) < PAGE:
                return len(self.found) > before
            offset = offset + len(page) if self._earliest == earliest else 0

    def start_over(self) -> None:
        """Reads on from the latest run."""
        self._earliest = None

    def query(self, earliest: datetime | None = None) -> Query:
        """The query that finds the runs, or those of them that had started by `earliest`."""
        terms = _terms(self._wanted)
        if earliest:
            terms.append(at_most("started_at", earliest))
        body: Query = {"project_id": self._client.project_id, "filter": self._filter}
        return {**body, "query": where(terms[0] if len(terms) == 1 else all_of(terms))} if terms else body

    def _add(self, page: Iterable[Run]) -> None:
        """Keeps each run once, as it was when it had ended."""
        for run in page:
            earlier = self.found.get(run.run_id)
            if earlier is None or earlier.is_open:
                self.found[run.run_id] = run
            self._earliest = min(self._earliest or run.started_at, run.started_at)


def _parse_runs(body: bytes) -> list[Run]:
    return parse_lines(body, parse_run, "call")


def runs_filter(project_id: str, wanted: RunFilter, ops: Sequence[str]) -> dict[str, Any]:
    """The `filter` of a calls query that finds evaluation runs."""
    chosen: dict[str, Any] = {"op_names": [f"weave:///{project_id}/op/{op}:*" for op in ops]}
    if wanted.run_ids:
        chosen["call_ids"] = list(wanted.run_ids)
    return chosen


class _OpCall(msgspec.Struct):
    op_name: str


_OP_CALL = msgspec.json.Decoder(_OpCall)


def other_evaluate_ops(client: WeaveClient, ops: Sequence[str]) -> list[str]:
    """Names of ops that look like evaluations and are not among `ops`, as far as the project's latest calls show."""
    is_listed = [contains("op_name", f"/op/{op}:") for op in ops]
    body = {
        "project_id": client.project_id,
        "filter": {"trace_roots_only": True},
        "query": where(all_of([contains("op_name", ".evaluate:"), negated(any_of(is_listed))])),
        "sort_by": [{"field": "started_at", "direction": "desc"}],
        "columns": ["id", "op_name"],
        "limit": PAGE,
    }
    calls = client.post("/calls/stream_query", body, _parse_op_calls, purpose="looking for other evaluations")
    refs = [parse_ref(call.op_name) for call in calls]
    return sorted({ref.name for ref in refs if ref and ref.name.endswith(".evaluate")})


def _parse_op_calls(body: bytes) -> list[_OpCall]:
    return parse_lines(body, _OP_CALL.decode, "call")


def _terms(wanted: RunFilter) -> list[Expression]:
    terms: list[Expression] = []
    if wanted.since:
        terms.append(at_least("started_at", wanted.since))
    if wanted.until:
        terms.append(before("started_at", wanted.until))
    if wanted.evaluations:
        terms.append(_any_named(("inputs.self", "inputs.this"), wanted.evaluations))
    if wanted.models:
        terms.append(_any_named(("inputs.model",), wanted.models))
    return terms


def _any_named(fields: Sequence[str], names: Sequence[str]) -> Expression:
    return any_of([match for field in fields for name in names for match in _matches(field, name)])


def _matches(field: str, name: str) -> list[Expression]:
    """That the field is the ref `name`, or has that name: in a ref, as a text in place of one, or as an object's."""
    if "://" in name:
        return [equal(field, name)]
    return [contains(field, f"/{quote(name, safe='-_.~')}:"), equal(field, name), equal(f"{field}.name", name)]


class V2Run(msgspec.Struct):
    """A run as `GET evaluation_runs` shows it."""

    evaluation_run_id: str
    evaluation: str = ""
    model: str = ""
    status: str | None = None
    source_evaluation_run_id: str | None = None


_V2_RUN = msgspec.json.Decoder(V2Run)


def list_v2_run_ids(client: WeaveClient) -> list[str]:
    """Ids of the runs that were made through the v2 API, from `GET evaluation_runs`."""
    found: list[str] = []
    while True:
        params = [("limit", str(PAGE)), ("offset", str(len(found)))]
        page = client.get(
            client.v2_path("evaluation_runs"), _parse_v2_runs, purpose="listing the v2 evaluation runs", params=params
        )
        found += [run.evaluation_run_id for run in page]
        if not page:
            return list(dict.fromkeys(found))


def _parse_v2_runs(body: bytes) -> list[V2Run]:
    return parse_lines(body, _V2_RUN.decode, "run")


def read_v2_run(client: WeaveClient, run_id: str) -> V2Run:
    """The run of that id, from `GET evaluation_runs/{id}`.

    Raises `NotFoundError` if there is none, and `TerminalApiError` if the call is not an evaluation.
    """
    read = _read_call(client, run_id)
    if not read.evaluation:
        raise TerminalApiError(f"The call {run_id} of {client.project_id} is not an evaluation run. Check the id.")
    return read


def _read_call(client: WeaveClient, run_id: str) -> V2Run:
    """Any call, as if it were a run."""
    path = client.v2_path(f"evaluation_runs/{quote(run_id, safe='')}")
    try:
        return client.get(path, _V2_RUN.decode, purpose=f"reading the evaluation run {run_id}")
    except NotFoundError:
        message = f"{client.project_id} has no evaluation run {run_id}: it was deleted, or the id is wrong."
        raise NotFoundError(message, 404) from None


def run_exists(client: WeaveClient, run_id: str) -> bool:
    """Whether Weave still has the run; older servers do not tell what is a run."""
    try:
        _read_call(client, run_id)
    except NotFoundError:
        return False
    return True
