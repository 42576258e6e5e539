"""Requests to `eval_results/query`: a page of a run's rows, a run's summary, and whether it works at all.

The summary has a request of its own: asked for with rows, it makes the server read the whole run for every page.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from ..api.client import WeaveClient
from ..api.http_errors import may_persist
from ..errors import ApiError, NotWeaveError, RefusedKeyError, TerminalApiError, TooHeavyError, TransientApiError
from ..weave.pages import Page, RunSummary, parse_page

_NO_RUN = "00000000-0000-0000-0000-000000000000"
_UNKNOWN_FIELD = 422

Body = dict[str, Any]

_ANY_RESULTS: Body = {"evaluation_call_ids": [_NO_RUN], "include_rows": True, "limit": 1, "offset": 0}
_ANY_SUMMARY: Body = {"evaluation_call_ids": [_NO_RUN], "include_rows": False, "include_summary": True}


class EvalResults:
    """Asks for results of runs, from any thread."""

    def __init__(self, client: WeaveClient, *, has_inputs: bool, with_costs: bool):
        """`has_inputs` says whether pages contain the rows' inputs."""
        self._client = client
        self._path = client.v2_path("eval_results/query")
        self._has_inputs = has_inputs
        self._costs = _Costs(is_wanted=with_costs)

    def page(self, run_id: str, offset: int, limit: int, max_bytes: int | None) -> Page:
        """Up to `limit` rows of a run. Raises `TooHeavyError` if they take more than `max_bytes`."""
        body = {
            "evaluation_call_ids": [run_id],
            "include_rows": True,
            "include_raw_data_rows": self._has_inputs,
            "resolve_row_refs": self._has_inputs,
            "limit": limit,
            "offset": offset,
        }
        purpose = f"reading rows {offset} to {offset + limit - 1} of the run {run_id}"
        return self._costs.asked(body, partial(self._post, purpose=purpose, max_bytes=max_bytes, has_alternative=True))

    def summary(self, run_id: str) -> RunSummary | TransientApiError | None:
        """The run's summary, None if it has none, or the error with which Weave fails on it every time."""
        body = {"evaluation_call_ids": [run_id], "include_rows": False, "include_summary": True}
        post = partial(self._post, body, purpose=f"reading the summary of the run {run_id}", has_alternative=True)
        try:
            page = self._asked_again(post)
        except TransientApiError as error:
            if may_persist(error) or isinstance(error, TooHeavyError):
                return error
            raise
        runs = page.summary.evaluations if page.summary else []
        return next((run for run in runs if run.evaluation_call_id == run_id), None)

    def require_any(self, error: TransientApiError) -> None:
        """Raises `error` if the server fails on results of any run: then it is down, and no row is to blame.

        It is asked, patiently, for the results of a run that does not exist.
        """
        if not may_persist(error):
            return
        try:
            self._post(_ANY_RESULTS, purpose="finding out whether Weave gives any results")
        except TransientApiError:
            raise error from None
        except TerminalApiError:
            pass

    def require_blame(self, error: ApiError) -> None:
        """Raises `error` unless the run is to blame for it: unless Weave gives rows and summaries of other runs.

        It is asked for those of a run that does not exist.
        """
        if isinstance(error, (RefusedKeyError, NotWeaveError)):
            raise error
        for body in (_ANY_RESULTS, _ANY_SUMMARY):
            try:
                self._post(body, purpose="finding out whether Weave gives any results")
            except TransientApiError:
                raise error from None
            except TerminalApiError as other:
                if other.status == error.status:
                    raise error from None

    def _post(self, body: Body, **options: Any) -> Page:
        return self._client.post(self._path, body, parse_page, **options)

    def _asked_again(self, post: Callable[[], Page]) -> Page:
        """An answer on which the server may fail every time: asked for again if it gives other results."""
        try:
            return post()
        except TransientApiError as error:
            if not may_persist(error):
                raise
            self.require_any(error)
            return post()


class _Costs:
    """Asks for costs until the server turns out not to know the field (servers up to 0.53.0 refuse it)."""

    def __init__(self, *, is_wanted: bool):
        self._is_known = not is_wanted
        self._is_asked = is_wanted
        self._lock = threading.Lock()

    def asked(self, body: Body, post: Callable[[Body], Page]) -> Page:
        """The answer to `body`, with costs if the server has them. Until that is known, one request goes at a time."""
        if self._is_known:
            return post(self._body(body))
        with self._lock:
            page = self._find_out(body, post)
            self._is_known = True
            return page

    def _find_out(self, body: Body, post: Callable[[Body], Page]) -> Page:
        try:
            return post(self._body(body))
        except TerminalApiError as error:
            if error.status != _UNKNOWN_FIELD or not self._is_asked:
                raise
            self._is_asked = False
            return post(body)

    def _body(self, body: Body) -> Body:
        return {**body, "include_costs": True} if self._is_asked else body
