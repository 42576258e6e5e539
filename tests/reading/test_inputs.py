"""Inputs that are known stay known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.loads import Place
from tests.weave_server.process import WeaveServer
from weave_eval.api.client import WeaveClient

PROJECT = "acme/inputs"


def unresolved(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on Weave gives refs for inputs, as it does when their dataset is deleted or may not be read."""
    post = WeaveClient.post

    def with_refs(client: WeaveClient, path: str, body: dict[str, Any], *rest: Any, **options: Any) -> Any:
        return post(client, path, {**body, "resolve_row_refs": False} if "limit" in body else body, *rest, **options)

    def only_results(client: WeaveClient, path: str, body: dict[str, Any], *rest: Any, **options: Any) -> Any:
        return (with_refs if "eval_results" in path else post)(client, path, body, *rest, **options)

    monkeypatch.setattr(WeaveClient, "post", only_results)


def test_an_input_that_cannot_be_resolved_any_more_stays(
    server: WeaveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.bulk(PROJECT, runs=1, rows=3, name="old")
    place = Place(server, PROJECT, tmp_path)
    place.load()
    before = {row["row_digest"]: row["inputs"] for row in place.tables()["dataset_rows"]}

    server.bulk(PROJECT, runs=1, rows=5, name="new")
    unresolved(monkeypatch)
    place.load(is_full=True)
    rows = {row["row_digest"]: row for row in place.tables()["dataset_rows"]}
    assert {digest: rows[digest]["inputs"] for digest in before} == before
    new = [row for digest, row in rows.items() if digest not in before]
    assert [row["is_resolved"] for row in new] == [False, False]
    assert all(row["input_ref"] == row["inputs"] for row in new)
