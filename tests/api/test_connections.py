"""Whoever makes a client closes it, however the work ends."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dlt
import pytest
from dlt.pipeline.exceptions import PipelineStepFailed

from tests.loads import Place
from tests.weave_server.process import KEY, WeaveServer
from weave_eval import LoadOptions, verify_project, weave_eval
from weave_eval.api.client import WeaveClient
from weave_eval.cli.run_source import run_source
from weave_eval.errors import BusyError, RefusedKeyError
from weave_eval.loading.check import check
from weave_eval.loading.load import plan_project
from weave_eval.loading.pipelines import lock_path
from weave_eval.warehouse.locks import load_lock

PROJECT = "acme/support-bot"
WRONG_KEY = KEY[::-1]


@pytest.fixture
def place(server: WeaveServer, tmp_path: Path) -> Place:
    server.bulk(PROJECT, rows=2, scorers=1)
    return Place(server, PROJECT, tmp_path)


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> dict[WeaveClient, bool]:
    """The clients that were made, each with whether it is closed."""
    made: dict[WeaveClient, bool] = {}
    make, close = WeaveClient.__init__, WeaveClient.close

    def opened(client: WeaveClient, *rest: Any, **options: Any) -> None:
        made[client] = False
        make(client, *rest, **options)

    def closed(client: WeaveClient) -> None:
        made[client] = True
        close(client)

    monkeypatch.setattr(WeaveClient, "__init__", opened)
    monkeypatch.setattr(WeaveClient, "close", closed)
    return made


def load(place: Place, **settings: Any) -> None:
    place.load(**settings)


def plan(place: Place, **settings: Any) -> None:
    plan_project(place.settings(**settings), place.profile)


def verify(place: Place, **settings: Any) -> None:
    options = LoadOptions(pipelines_dir=str(place.folder / "machine"))
    verify_project(place.settings(**settings), place.profile, options)


def run_a_pipeline(place: Place, **settings: Any) -> None:
    """Loads as a dlt user does, with the source alone."""
    given = {"api_key": KEY, "base_url": place.server.url, **settings}
    pipeline = dlt.pipeline("mine", destination=dlt.destinations.duckdb(str(place.file)), dataset_name="mine")
    try:
        pipeline.run(weave_eval(PROJECT, **given))
    except PipelineStepFailed as error:
        raise RefusedKeyError(str(error)) from None


WORK = [load, plan, verify, run_a_pipeline]


@pytest.mark.parametrize("work", WORK)
def test_it_is_closed_after_success(work: Callable[..., None], place: Place, clients: dict[WeaveClient, bool]) -> None:
    work(place)
    assert set(clients.values()) == {True}


@pytest.mark.parametrize("work", WORK)
def test_it_is_closed_after_a_failure(
    work: Callable[..., None], place: Place, clients: dict[WeaveClient, bool]
) -> None:
    with pytest.raises(RefusedKeyError):
        work(place, api_key=WRONG_KEY)
    assert set(clients.values()) == {True}


@pytest.mark.parametrize("work", [load, verify])
def test_it_is_closed_when_another_load_runs(
    work: Callable[..., None], place: Place, clients: dict[WeaveClient, bool]
) -> None:
    with load_lock(lock_path(place.profile.location(), PROJECT), "testing"), pytest.raises(BusyError):
        work(place)
    assert set(clients.values()) == {True}


@pytest.mark.parametrize("key", [KEY, WRONG_KEY])
def test_a_check_closes_it(
    key: str, place: Place, clients: dict[WeaveClient, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", key)
    monkeypatch.setenv("WF_TRACE_SERVER_URL", place.server.url)
    list(check([PROJECT], lambda: place.profile))
    assert set(clients.values()) == {True}


def test_judging_runs_of_the_api_closes_it(
    place: Place, clients: dict[WeaveClient, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WF_TRACE_SERVER_URL", place.server.url)
    options = argparse.Namespace(from_api=True, project=PROJECT)
    with run_source(options) as runs:
        assert len(runs.starting_with("")) == 1
    with pytest.raises(KeyError), run_source(options):
        raise KeyError
    assert list(clients.values()) == [True, True]
