"""Answers made before anyone asks, packed with gzip: the parts that are large, run by run.

A body is put together from members of gzip's format, which any reader takes one after the other; whoever does not
want gzip gets them unpacked.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

from tests.benchmarks.project import Json, Project, Tally, compact
from tests.benchmarks.shape import Shape

_LEVEL = 1
_ROWS_OF_WORKER = 20_000


def pack(content: bytes) -> bytes:
    """A member of gzip's format."""
    return gzip.compress(content, _LEVEL, mtime=0)


_HEAD, _COMMA = pack(b'{"rows":['), pack(b",")


@dataclass(frozen=True)
class RunBodies:
    """The large answers about a run: its rows in blocks, its trials' calls, and its summary."""

    blocks: list[bytes]
    calls: bytes
    summary: Json


class Bodies:
    """The large answers about a project."""

    def __init__(self, project: Project):
        """Makes them ahead, with every processor: of the runs that were edited, or else of all."""
        self._project = project
        shape = project.shape
        ahead = project.changed or range(shape.runs)
        workers = min(os.cpu_count() or 1, -(-len(ahead) * shape.rows // _ROWS_OF_WORKER))
        make = partial(_make_run, shape)
        if workers < 2:
            self._runs = dict(zip(ahead, map(make, ahead), strict=True))
        else:
            with ProcessPoolExecutor(workers) as pool:
                self._runs = dict(zip(ahead, pool.map(make, ahead, chunksize=-(-len(ahead) // 50)), strict=True))

    def _of(self, run: int) -> RunBodies:
        if run not in self._runs:
            self._runs[run] = _make_run(self._project.shape, run)
        return self._runs[run]

    def page(self, run: int, offset: int, limit: int | None) -> Iterator[bytes]:
        """A page of results, in packed parts."""
        rows, size = self._project.shape.rows, self._project.block_rows
        end = rows if limit is None else min(rows, offset + limit)
        yield _HEAD
        for number, start in enumerate(range(offset - offset % size, end, size)):
            if number:
                yield _COMMA
            yield self._block(run, start // size, max(offset - start, 0), min(end - start, size))
        yield pack(b'],"total_rows":%d,"summary":null,"warnings":[]}' % (rows if offset < end else 0))

    def _block(self, run: int, block: int, start: int, end: int) -> bytes:
        packed = self._of(run).blocks[block]
        is_whole = start == 0 and end in (self._project.block_rows, self._project.shape.rows % self._project.block_rows)
        return packed if is_whole else pack(b",".join(self._project.block(run, block).rows[start:end]))

    def calls(self, runs: list[int]) -> Iterator[bytes]:
        """The calls of the runs' trials as JSON lines, in packed parts."""
        return (self._of(run).calls for run in runs)

    def summary(self, run: int) -> bytes:
        """The answer to who asks for the summary of a run alone."""
        return compact(self._of(run).summary)


_PROJECTS: dict[Shape, Project] = {}


def _make_run(shape: Shape, run: int) -> RunBodies:
    project = _PROJECTS.setdefault(shape, Project(shape))
    tallies: list[Tally] = []
    blocks: list[bytes] = []
    calls: list[bytes] = []
    for number in range(project.blocks(run)):
        block = project.block(run, number)
        blocks.append(pack(b",".join(block.rows)))
        calls += block.calls
        tallies.append(block.tally)
    return RunBodies(blocks, pack(b"".join(calls)), project.summary(run, tallies))
