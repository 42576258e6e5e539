"""Ranges of a run's rows from a server that fails on some of them, or takes too long for many."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from weave_eval.errors import TooHeavyError, TransientApiError
from weave_eval.reading.eval_results import EvalResults
from weave_eval.reading.page_size import PageSize, RowWeights
from weave_eval.reading.run_pages import RunPages
from weave_eval.weave.pages import Page, Row

ROWS = 20
RUN = "run-1"
SERVER_FAILURE = TransientApiError("it fails", 500)
TOO_LARGE = TooHeavyError("it is too large", 200)
TIMEOUT = TransientApiError("no answer in time", 408)

Failing = Callable[[int, int], TransientApiError | None]


class Results(EvalResults):
    """Results of a run of 20 rows; `failing` says which ranges fail, and how."""

    def __init__(self, failing: Failing, *, is_down: bool = False) -> None:
        self.asked: list[tuple[int, int]] = []
        self._failing = failing
        self._is_down = is_down

    def page(self, run_id: str, offset: int, limit: int, max_bytes: int | None) -> Page:
        self.asked.append((offset, limit))
        assert (max_bytes is None) == (limit == 1)
        error = self._failing(offset, limit)
        if error:
            raise error
        rows = [Row(f"{run_id}-{index}") for index in range(offset, min(offset + limit, ROWS))]
        return Page(rows=rows, total_rows=ROWS, body_bytes=10 * len(rows))

    def require_any(self, error: TransientApiError) -> None:
        if self._is_down:
            raise error


def read(results: Results, limit: int = ROWS, rows: int = 100) -> list[Page]:
    return RunPages(results, RowWeights(PageSize(rows, 1000))).read(RUN, 0, limit)


def digests(pages: list[Page]) -> list[str]:
    return [row.row_digest for page in pages for row in page.rows]


def on_row(index: int, error: TransientApiError) -> Failing:
    return lambda offset, limit: error if offset <= index < offset + limit else None


def test_a_range_that_works_is_one_page() -> None:
    results = Results(lambda _, __: None)
    assert digests(read(results)) == [f"{RUN}-{index}" for index in range(ROWS)]
    assert results.asked == [(0, ROWS)]


def test_a_failing_row_stands_alone_and_is_marked() -> None:
    results = Results(on_row(7, SERVER_FAILURE))
    pages = read(results)
    assert digests(pages) == [f"{RUN}-{index}" for index in range(ROWS) if index != 7]
    assert [page.rows for page in pages if page.is_poisoned] == [[]]
    assert results.asked.count((7, 1)) == 2


def test_a_run_that_fails_everywhere_is_asked_for_one_row_only() -> None:
    results = Results(lambda _, __: SERVER_FAILURE)
    pages = read(results)
    assert all(page.is_poisoned for page in pages)
    assert len(results.asked) < 10


def test_a_row_that_a_gateway_gives_up_is_an_error() -> None:
    with pytest.raises(TransientApiError, match="no answer in time"):
        read(Results(on_row(7, TIMEOUT)))


def test_no_row_is_to_blame_when_the_server_is_down() -> None:
    results = Results(lambda _, __: SERVER_FAILURE, is_down=True)
    with pytest.raises(TransientApiError):
        read(results)
    assert results.asked == [(0, ROWS)]


def test_ranges_that_are_too_large_are_not_tried_again() -> None:
    results = Results(lambda _, limit: TOO_LARGE if limit > 3 else None)
    pages = RunPages(results, weights := RowWeights(PageSize(100, 1000)))
    assert digests(pages.read(RUN, 0, ROWS)) == [f"{RUN}-{index}" for index in range(ROWS)]
    assert weights.page_rows() < ROWS
    assert results.asked[0] == (0, ROWS)
    assert all(limit < ROWS / 2 for _, limit in results.asked[1:])


def test_nothing_is_asked_for_beyond_the_last_row() -> None:
    results = Results(lambda _, limit: TOO_LARGE if limit > ROWS else None)
    assert len(digests(read(results, limit=4 * ROWS))) == ROWS
    assert max(offset for offset, _ in results.asked) < ROWS


def test_pages_shrink_at_once_and_grow_slowly() -> None:
    weights = RowWeights(PageSize(100, 1000))
    light, heavy = Page(rows=[Row("a")], body_bytes=1), Page(rows=[Row("a")], body_bytes=100)
    sizes = []
    for page in (light, heavy, light, light, light):
        weights.add(page)
        sizes.append(weights.page_rows())
    assert sizes[:2] == [100, 5]
    assert sizes[1:] == sorted(sizes[1:])
    assert sizes[-1] < 100


def test_heavy_pages_are_fewer_in_memory() -> None:
    weights = RowWeights(PageSize(500, 1_000_000_000))
    assert weights.pages_in_memory(20) == 20
    weights.add(Page(rows=[Row("a")], body_bytes=50_000_000))
    assert weights.pages_in_memory(20) == 1
