"""Loads that would mark or remove many runs at once, or read another server: refused until that is confirmed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.loads import Place, days_ago, delete_calls
from tests.tables_of import Tables
from tests.weave_server.fixtures import PROJECT, empty
from tests.weave_server.process import WeaveServer
from weave_eval import LoadOptions, UnconfirmedError, verify_project

Execute = Callable[..., Any]


def load(place: Place, **changed: Any) -> Any:
    return place.load(**changed)


def full_load(place: Place, **changed: Any) -> Any:
    return place.load(is_full=True, **changed)


def removing_load(place: Place, **changed: Any) -> Any:
    return place.load(deleted_runs="remove", **changed)


def verify(place: Place, **changed: Any) -> Any:
    options = LoadOptions(pipelines_dir=str(place.folder / "machine"))
    return verify_project(place.settings(**changed), place.profile, options)


def dry_verify(place: Place) -> Any:
    return verify_project(place.settings(), place.profile, is_dry_run=True)


EVERY_WAY = [load, full_load, removing_load, verify, dry_verify]


@dataclass(frozen=True)
class Loaded:
    """A project of twelve recent runs and two old ones as it was loaded, and the server then."""

    place: Place
    saved: Path
    recent: list[str]
    old: list[str]

    def held(self) -> Tables:
        """What the place holds, without the records of loads that failed."""
        return {name: rows for name, rows in self.place.tables().items() if name != "syncs"}


@pytest.fixture(scope="module")
def first_load(weave_server: WeaveServer, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    empty(weave_server)
    place = Place(weave_server, PROJECT, tmp_path_factory.mktemp("doubts"))
    old = weave_server.bulk(PROJECT, runs=2, rows=1, start=days_ago(60), name="old")
    recent = weave_server.bulk(PROJECT, runs=12, rows=1, start=days_ago(1), name="recent")
    place.load()
    saved = tmp_path_factory.mktemp("saved") / "server.state"
    weave_server.save(saved)
    return Loaded(place, saved, recent, old)


@pytest.fixture
def loaded(first_load: Loaded, server: WeaveServer) -> Loaded:
    """As it was after its first load: tests of refusals leave it so."""
    server.load(first_load.saved)
    return first_load


@pytest.mark.parametrize("execute", EVERY_WAY)
def test_a_server_that_has_lost_all_is_not_believed(loaded: Loaded, execute: Execute) -> None:
    before = loaded.held()
    loaded.place.server.reset()
    loaded.place.server.clear_requests()
    with pytest.raises(UnconfirmedError, match=r"does not have 14 of the 14 runs .* --confirm-deletions 14 \(or"):
        execute(loaded.place)
    assert loaded.held() == before
    assert len(loaded.place.server.requests("evaluation_runs/")) == 10  # the first stand for the others


@pytest.mark.parametrize("execute", EVERY_WAY)
def test_a_server_of_another_name_is_not_believed(loaded: Loaded, execute: Execute) -> None:
    before = loaded.held()
    elsewhere = Place(Renamed(loaded.place.server), PROJECT, loaded.place.folder)
    with pytest.raises(
        UnconfirmedError, match=r"was loaded from http://127\S+ until now, and the base URL is http://l"
    ):
        execute(elsewhere)
    assert loaded.held() == before


class Renamed(WeaveServer):
    """The server under another name, as another server would look."""

    def __init__(self, server: WeaveServer) -> None:
        vars(self).update(vars(server))
        self.url = server.url.replace("127.0.0.1", "localhost")


@pytest.mark.parametrize("execute", [load, full_load, verify])
def test_more_than_half_of_many_are_not_believed(loaded: Loaded, execute: Execute) -> None:
    before = loaded.held()
    delete_calls(loaded.place.server, PROJECT, *loaded.recent[:11])
    with pytest.raises(UnconfirmedError, match="does not have 11 of the 14 runs"):
        execute(loaded.place)
    with pytest.raises(UnconfirmedError, match="does not have 11 of the 14 runs"):
        execute(loaded.place, confirm_deletions=10)
    assert loaded.held() == before


def test_what_is_confirmed_is_done(place: Place) -> None:
    runs = place.server.bulk(PROJECT, runs=3, rows=1, start=days_ago(1))
    place.load()
    delete_calls(place.server, PROJECT, *runs)
    elsewhere = Place(Renamed(place.server), PROJECT, place.folder)
    result = elsewhere.load(confirm_deletions=3, confirm_server=elsewhere.server.url)
    assert result.report.runs_deleted == 3
    assert all(run["deleted_at"] for run in place.tables()["evaluation_runs"])
    assert elsewhere.load().status == "unchanged"
    with pytest.raises(UnconfirmedError, match="was loaded from http://localhost"):
        place.load()


def test_all_recent_runs_may_go_where_older_ones_are_still_there(place: Place) -> None:
    place.server.bulk(PROJECT, runs=2, rows=1, start=days_ago(60), name="old")
    recent = place.server.bulk(PROJECT, runs=2, rows=1, start=days_ago(1))
    place.load()
    delete_calls(place.server, PROJECT, *recent)
    assert place.load().report.runs_deleted == 2


@pytest.mark.slow
def test_the_only_run_is_not_believed_to_be_gone_from_an_empty_project(place: Place) -> None:
    place.server.bulk(PROJECT, rows=1, start=days_ago(1))
    place.load()
    place.server.reset()
    with pytest.raises(UnconfirmedError, match="does not have 1 of the 1 runs"):
        place.load()
