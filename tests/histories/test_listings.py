"""A list of runs that changes while it is read, or that ends early: no run is lost to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from tests.faults.proxy import Answer, listening
from tests.histories.upstream import Upstream
from tests.loads import Place, days_ago, delete_calls
from tests.weave_server.process import KEY, WeaveServer
from weave_eval import resolve_settings
from weave_eval.settings import Settings

PROJECT = "acme/listed"


@dataclass
class Cutting(Upstream):
    """A server of which a list of runs ends after so many, without a sign, once."""

    kept: int | None = None

    def cut_after(self, runs: int) -> None:
        """The next list of runs ends after so many."""
        self.kept = runs

    def _true_answer(self, handler: BaseHTTPRequestHandler, content: bytes) -> Answer:
        answer = super()._true_answer(handler, content)
        if self.kept is None or b"op_names" not in content or b"stream_query" not in handler.path.encode():
            return answer
        kept, self.kept = self.kept, None
        return Answer(answer.status, b"".join(answer.body.splitlines(keepends=True)[:kept]), answer.content_type)


@dataclass(frozen=True)
class Behind(Place):
    """A DuckDB file that is loaded through `upstream`."""

    upstream: Cutting

    def settings(self, **changed: object) -> Settings:
        return resolve_settings(project=self.project, api_key=KEY, base_url=self.upstream.url, **changed)


@pytest.fixture
def place(server: WeaveServer, tmp_path: Path) -> Iterator[Behind]:
    with listening(Cutting(server)) as upstream:
        yield Behind(server, PROJECT, tmp_path, upstream)


def one_run(place: Place, days: float) -> str:
    (run_id,) = place.server.bulk(PROJECT, rows=1, scorers=0, start=days_ago(days))
    return run_id


@contextmanager
def deleted_meanwhile(place: Behind, run_id: str, before_request: int) -> Iterator[None]:
    """Inside, the run is deleted just before that request."""
    with place.upstream.meanwhile([(before_request, lambda: delete_calls(place.server, PROJECT, run_id))]):
        yield


def test_a_run_deleted_between_two_pages_pushes_no_old_run_out(place: Behind, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old runs start so early that no later load lists them."""
    monkeypatch.setattr("weave_eval.reading.discovery.PAGE", 2)
    runs = [one_run(place, days) for days in (1, 2, 30, 40, 50)]
    with deleted_meanwhile(place, runs[0], 2):
        place.load()
    assert place.statuses().keys() >= set(runs[1:])
    place.load()
    marked = {run["run_id"] for run in place.tables()["evaluation_runs"] if run["deleted_at"]}
    assert marked <= {runs[0]}


def test_a_list_cut_after_all_known_runs_loses_no_late_one(place: Behind) -> None:
    """The late run starts so early that no load lists it once the new run was read."""
    known = one_run(place, 5)
    place.load()
    late, new = one_run(place, 17), one_run(place, 1 / 24)
    place.upstream.cut_after(2)
    place.load()
    assert place.upstream.kept is None
    assert place.statuses().keys() == {known, late, new}


def test_a_late_run_that_a_cut_list_of_known_runs_lacks_comes_with_the_next_load(place: Behind) -> None:
    known = one_run(place, 5)
    place.load()
    late = one_run(place, 17)
    place.upstream.cut_after(1)
    assert place.load().status == "unchanged"
    place.load()
    assert place.statuses().keys() == {known, late}
