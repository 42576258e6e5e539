"""The report says the same of the same runs in all four warehouses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.report.conftest import WRITTEN_AT
from tests.report.parsed_page import Page
from tests.stand_ins.warehouse import Warehouse
from weave_eval.cli.program import main

OF_THE_LOAD = re.compile(r"(Last loaded|last loaded) .*?(this report|this report\))", re.DOTALL)


@pytest.fixture
def dataset(warehouse: Warehouse) -> Iterator[str]:
    """A dataset of each warehouse with the demo in it."""
    name = warehouse.new_dataset()
    assert main(["demo", "--destination", warehouse.name, "--dataset", name]) == 0
    yield name
    warehouse.drop(name)


@pytest.mark.slow
def test_same_report(warehouse: Warehouse, dataset: str, tmp_path: Path, demo_page: Page) -> None:
    file = tmp_path / "report.html"
    options = ["--destination", warehouse.name, "--dataset", dataset, "--since", "2026-01-01"]
    assert main(["report", "--out", str(file), "--generated-at", WRITTEN_AT, *options]) == 0
    page = Page(file.read_text(encoding="utf-8"))
    assert without_load(page) == without_load(demo_page)


def without_load(page: Page) -> list[str]:
    """The words of the page but for when it was loaded; Postgres keeps the fields of JSON in an order of its own."""
    return sorted(OF_THE_LOAD.sub("", page.text).split())
