"""Every fault on every kind of request, once, twice and for ever: what it does to what is extracted.

Extractions are compared, not loads, so that all can be had in a minute or two; `test_loads_under_faults.py` has loads.
"""

from __future__ import annotations

import logging
import re
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.evidence import Record
from tests.faults.canaries import secrets_in, secrets_in_files
from tests.faults.proxy import FaultyProxy
from tests.faults.scenario import GONE, KINDS, Extracted, extract
from tests.faults.spoiling import FAULTS, Fault
from weave_eval.errors import ApiError

FOR_EVER = 1_000_000
SAMPLE = len(FAULTS)
"""One in so many is tested by default."""

KIND_OF = {kind: project for project, kinds in KINDS.items() for kind in kinds}
WORKED_AROUND = {
    ("summary", "500"), ("summary", "502 html"), ("summary", "504"), ("summary", "hang"), ("refs", "500"),
}  # fmt: skip
"""What is done without where the server fails on it for ever but answers all else: statistics and scores."""

OF_ONE_RUN = {"poisoned trials", "refs"}
"""What is asked for one run alone: it is named, and the others are extracted."""

OF_RUNS = {"predictions", "trial calls"}
"""What is asked for some runs: they are named, unless it shows that Weave fails on all."""

UNNOTICED = {("v2 listing", fault.name) for fault in FAULTS.values() if fault.is_cut}
"""What is made good without being asked for again: the runs' own attributes tell what the list lacks."""


def cases() -> list[Any]:
    """Every kind of request with every fault."""
    pairs = [(kind, fault) for kind in KIND_OF for fault in FAULTS]
    marks = [
        () if number % SAMPLE == number // len(FAULTS) % SAMPLE else (pytest.mark.slow,) for number in range(len(pairs))
    ]
    return [
        pytest.param(kind, FAULTS[fault], marks=mark, id=f"{kind}-{fault}")
        for (kind, fault), mark in zip(pairs, marks, strict=True)
    ]


@dataclass(frozen=True)
class Leaks:
    """All that an extraction leaves."""

    folder: Path
    log: pytest.LogCaptureFixture

    def found_in(self, found: Extracted | ApiError) -> set[str]:
        """The secrets in what it gave, logged at any level, and wrote to files."""
        told = "".join(traceback.format_exception(found)) if isinstance(found, ApiError) else repr(vars(found))
        assert "connectionpool" in self.log.text
        return secrets_in(told + self.log.text).union(*secrets_in_files(self.folder).values())


@pytest.fixture
def leaks(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Leaks:
    caplog.set_level(logging.DEBUG)
    return Leaks(tmp_path, caplog)


@dataclass(frozen=True)
class Bench:
    """Where faults are tried: the proxy, what each project gives without faults, and what is recorded."""

    proxy: FaultyProxy
    undisturbed: dict[str, Extracted]
    record: Record

    def attempt(self, project: str, folder: Path) -> Extracted | ApiError:
        """What an extraction gives, or its error."""
        try:
            return extract(self.proxy, project, folder)
        except ApiError as error:
            return error


@pytest.fixture(scope="module")
def bench(proxy: FaultyProxy, record: Record, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.faults.scenario.READ_TIMEOUT", 30.0)
        found = {project: extract(proxy, project, tmp_path_factory.mktemp("undisturbed")) for project in KINDS}
        return Bench(proxy, found, record)


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize("times", [1, 2, FOR_EVER], ids=["once", "twice", "for ever"])
@pytest.mark.parametrize(("kind", "fault"), cases())
def test_every_fault(bench: Bench, leaks: Leaks, kind: str, fault: Fault, times: int) -> None:
    project = KIND_OF[kind]
    expected = bench.undisturbed[project]
    with bench.proxy.spoil(kind, fault, times):
        found = bench.attempt(project, leaks.folder)
    assert bench.proxy.spoiled
    assert leaks.found_in(found) == set()
    if times != FOR_EVER or fault.is_harmless or (kind, fault.name) in UNNOTICED:
        assert found == expected
    elif (kind, fault.name) in WORKED_AROUND:
        assert isinstance(found, Extracted)
        assert_worked_around(found, expected, kind)
    elif kind in OF_ONE_RUN:
        assert isinstance(found, Extracted)
        assert_named(found, expected)
        assert len(found.unread) == 1
        assert_same_but_for_runs(found, expected)
    elif kind in OF_RUNS and isinstance(found, Extracted):
        assert_named(found, expected)
    else:
        assert isinstance(found, ApiError)
        assert f"of {project} " in str(found)
        assert re.search(r"\((POST|GET) /.*\) |ended early \d times", str(found))
    mark = "!" if isinstance(found, ApiError) else "=" if found == expected else "~"
    bench.record("extractions under faults", fault.name, column=kind, mark=mark)
    bench.record("secrets looked for, in vain, in extractions under faults", "the key, a blocked input", 2)


def assert_named(found: Extracted, expected: Extracted) -> None:
    """The runs that could not be read are named, all of the others is there, and nothing else."""
    assert found.unread
    for table, rows in expected.tables.items():
        there = [row for row in found.tables.get(table, []) if row.get("run_id") not in found.unread]
        if "run_id" in rows[0]:
            assert there == [row for row in rows if row["run_id"] not in found.unread], table
        else:
            assert [row for row in there if row not in rows] == [], table


def assert_same_but_for_runs(found: Extracted, expected: Extracted) -> None:
    """What belongs to no run is there as if nothing had happened."""
    for table, rows in expected.tables.items():
        if "run_id" not in rows[0]:
            assert found.tables.get(table, []) == rows, table


def assert_worked_around(found: Extracted, expected: Extracted, kind: str) -> None:
    """Nothing but what could not be had is missing, and a warning says so."""
    changed = {name for name, rows in expected.tables.items() if found.tables.get(name) != rows}
    runs = {row["run_id"] for row in expected.tables["evaluation_runs"]} - {GONE}
    if kind == "summary":
        assert changed == {"scorer_stats"}
        assert sum("Weave fails on its summary" in warning for warning in found.warnings) == len(runs)
    else:
        assert changed == {"scores", "trials", "evaluation_runs"}  # which count the scores
        assert [trial["extra"] for trial in found.tables["trials"] if trial["extra"]] != []
    assert found.saved == expected.saved
