"""The requests of a load, several at once: bodies and nothing else."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import requests
from requests.adapters import HTTPAdapter

PROJECT_ID = "bench/synthetic"
PARALLELISM = 8
PAGE_ROWS = 500

Json = dict[str, Any]


class Download:
    """Asks for runs, their summaries, their trials' calls and their pages."""

    def __init__(self, url: str):
        self._url = url
        self._session = requests.Session()
        self._session.auth = ("api", "key")
        self._session.mount("http://", HTTPAdapter(pool_maxsize=PARALLELISM))

    def runs(self) -> list[Json]:
        """The calls of all runs."""
        filter_ = {"op_names": [f"weave:///{PROJECT_ID}/op/Evaluation.evaluate:*"]}
        lines = self._post("/calls/stream_query", {"project_id": PROJECT_ID, "filter": filter_})
        return [json.loads(line) for line in lines.split(b"\n") if line]

    def summaries(self, runs: Iterable[Json]) -> Iterator[bytes]:
        """The summary of each run, in their order."""
        return self._each(self._summary, ((run["id"],) for run in runs))

    def results(self, runs: Iterable[Json], row_counts: Mapping[str, int]) -> Iterator[tuple[str, int, bytes]]:
        """For each run its id with its trials' calls (at -1), then with its pages (at their offsets)."""
        parts = [(run, offset) for run in runs for offset in (-1, *range(0, row_counts[run["id"]], PAGE_ROWS))]
        bodies = self._each(self._part, parts)
        return ((run["id"], offset, body) for (run, offset), body in zip(parts, bodies, strict=True))

    def _part(self, run: Json, offset: int) -> bytes:
        return self._calls(run) if offset < 0 else self._page(run["id"], offset)

    def _calls(self, run: Json) -> bytes:
        parent = {"$in": [{"$getField": "parent_id"}, [{"$literal": run["id"]}]]}
        body = {
            "project_id": PROJECT_ID,
            "filter": {"trace_ids": [run["trace_id"]]},
            "query": {"$expr": parent},
            "columns": ["id", "parent_id", "op_name", "started_at", "ended_at", "exception"],
        }
        return self._post("/calls/stream_query", body)

    def _page(self, run_id: str, offset: int) -> bytes:
        body = {
            "evaluation_call_ids": [run_id],
            "include_raw_data_rows": True,
            "resolve_row_refs": True,
            "include_costs": True,
            "limit": PAGE_ROWS,
            "offset": offset,
        }
        return self._post(f"/v2/{PROJECT_ID}/eval_results/query", body)

    def _summary(self, run_id: str) -> bytes:
        body = {"evaluation_call_ids": [run_id], "include_rows": False, "include_summary": True}
        return self._post(f"/v2/{PROJECT_ID}/eval_results/query", body)

    def _post(self, path: str, body: Json) -> bytes:
        response = self._session.post(f"{self._url}{path}", json=body)
        response.raise_for_status()
        return response.content

    def _each(self, ask: Callable[..., bytes], arguments: Iterable[tuple[Any, ...]]) -> Iterator[bytes]:
        """Answers in order, a few asked for ahead."""
        under_way: deque[Future[bytes]] = deque()
        with ThreadPoolExecutor(PARALLELISM) as pool:
            for some in arguments:
                under_way.append(pool.submit(ask, *some))
                if len(under_way) >= 2 * PARALLELISM:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
