"""Ranges of one run's rows, as pages: halved where the server fails, until the rows that make it fail stand alone."""

from __future__ import annotations

from ..api.http_errors import SERVER_FAILURE, may_persist
from ..errors import TooHeavyError, TransientApiError
from ..weave.pages import Page
from .eval_results import EvalResults
from .page_size import RowWeights

_GIVEN_UP = 200
_PAST_THE_END = 1_000_000_000


class RunPages:
    """Reads ranges of rows, from any thread, in pages that the server can give."""

    def __init__(self, results: EvalResults, weights: RowWeights):
        self._results = results
        self._weights = weights
        self._failing_runs: set[str] = set()

    def read(self, run_id: str, offset: int, limit: int) -> list[Page]:
        """The rows of a range: one page, or several where the server cannot give them at once."""
        if run_id in self._failing_runs:
            return [Page(is_poisoned=True)]
        if limit <= 2 * self._weights.page_rows():
            page = self._page_or_error(run_id, offset, limit)
            if isinstance(page, Page):
                return [page]
            self._results.require_any(page)
            if limit == 1:
                return [self._failing_row(run_id, offset)]
            if isinstance(page, TooHeavyError) and page.status == _GIVEN_UP:
                self._weights.add_given_up(limit)
        half = (limit + 1) // 2
        pages = self.read(run_id, offset, half)
        if any(page.total_rows and page.total_rows <= offset + half for page in pages):
            return pages
        return pages + self.read(run_id, offset + half, limit - half)

    def _page_or_error(self, run_id: str, offset: int, limit: int) -> Page | TransientApiError:
        """The page, or the error that fewer rows may not meet: its traceback would keep the pages read next."""
        try:
            return self._page(run_id, offset, limit)
        except TransientApiError as error:
            if not (may_persist(error) or isinstance(error, TooHeavyError)):
                raise
            return error.with_traceback(None)

    def _failing_row(self, run_id: str, offset: int) -> Page:
        """A row that the server failed on: asked for once more, else marked as poisoned.

        Raises `TransientApiError` unless the server itself fails on it: gateways and timeouts say nothing of a row.
        """
        try:
            return self._page(run_id, offset, 1)
        except TransientApiError as error:
            if error.status != SERVER_FAILURE:
                raise
        if self._fails_past_the_end(run_id):
            self._failing_runs.add(run_id)
        return Page(is_poisoned=True)

    def _fails_past_the_end(self, run_id: str) -> bool:
        """Whether the server fails where no rows are: then it fails on every page of the run."""
        try:
            self._page(run_id, _PAST_THE_END, 1)
        except TransientApiError as error:
            return error.status == SERVER_FAILURE
        return False

    def _page(self, run_id: str, offset: int, limit: int) -> Page:
        """The page; a single row may be of any size."""
        return self._results.page(run_id, offset, limit, self._weights.max_bytes if limit > 1 else None)
