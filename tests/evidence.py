"""What tests have proven, counted: they record it, and the end of the tests shows it, of all workers together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import pytest


class Entry(NamedTuple):
    """What is proven, of what, in which column of its table, how often, and a mark of how it went."""

    proven: str
    of: str
    column: str
    times: int
    mark: str


ENTRIES = pytest.StashKey[list[Entry]]()
LEGEND = "in the order of the tries: = as undisturbed, ! an error in one sentence, ~ made good with a warning"


class Record(Protocol):
    """Notes down what a test has just proven."""

    def __call__(self, proven: str, of: str, count: int = 1, *, column: str = "", mark: str = "") -> None: ...


@pytest.fixture(scope="session")
def record(pytestconfig: pytest.Config) -> Record:
    """`record("overlap rounds", "six projects", 5)`, once the test has made sure of it.

    What has the same first words adds up. With a `column` the summary is a table; with a `mark` its cells show marks.
    """
    entries = _entries(pytestconfig)

    def add(proven: str, of: str, count: int = 1, *, column: str = "", mark: str = "") -> None:
        entries.append(Entry(proven, of, column, count, mark))

    return add


def _entries(config: pytest.Config) -> list[Entry]:
    return config.stash.setdefault(ENTRIES, [])


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker hands over what its tests recorded."""
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["evidence"] = [list(entry) for entry in _entries(session.config)]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A worker has ended; one that crashed hands nothing over."""
    handed = getattr(node, "workeroutput", {}).get("evidence", [])
    _entries(node.config).extend(Entry(*entry) for entry in handed)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Shows a section for each thing proven."""
    entries = _entries(config)
    for proven in sorted({entry.proven for entry in entries}):
        mine = [entry for entry in entries if entry.proven == proven]
        terminalreporter.section(f"{sum(entry.times for entry in mine)} {proven}")
        for line in _table(mine):
            terminalreporter.line(line)
        if any(entry.mark for entry in mine):
            terminalreporter.line(LEGEND)


def _table(entries: Sequence[Entry]) -> Iterator[str]:
    """A line for each thing that something was proven of, under the columns' names."""
    names = list(dict.fromkeys(entry.of for entry in entries))
    columns = list(dict.fromkeys(entry.column for entry in entries))
    rows = [[name, *(_cell(entries, name, column) for column in columns)] for name in names]
    if any(columns):
        rows.insert(0, ["", *columns])
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _cell(entries: Sequence[Entry], name: str, column: str) -> str:
    """The marks in the order in which they were recorded, or the sum."""
    mine = [entry for entry in entries if (entry.of, entry.column) == (name, column)]
    if any(entry.mark for entry in mine):
        return "".join(entry.mark * entry.times for entry in mine)
    return str(sum(entry.times for entry in mine)) if mine else ""
