"""dlt's own `rest_api` source, configured for the same endpoints: runs, their results, their summaries.

The source reads JSON; the list of runs comes as JSON lines, which a hook turns into JSON.
"""

from __future__ import annotations

import sys
import tempfile
from typing import Any

import dlt
from dlt.common.destination import Destination
from dlt.sources.helpers.requests import Response
from dlt.sources.rest_api import rest_api_source
from dlt.sources.rest_api.typing import RESTAPIConfig

BASE = "v2/bench/synthetic"
PAGE_ROWS = 500


def lines_to_json(response: Response, *_: Any, **__: Any) -> Response:
    """JSON lines as a JSON list."""
    response._content = b"[" + b",".join(line for line in response.content.split(b"\n") if line) + b"]"
    return response


def _results(name: str, selector: str, paginator: Any, **body: Any) -> Any:
    return {
        "name": name,
        "include_from_parent": ["evaluation_run_id"],
        "endpoint": {
            "path": f"{BASE}/eval_results/query",
            "method": "POST",
            "json": {"evaluation_run_ids": ["{resources.evaluation_runs.evaluation_run_id}"], **body},
            "data_selector": selector,
            "paginator": paginator,
        },
    }


def configuration(url: str) -> RESTAPIConfig:
    """The source's configuration."""
    runs: Any = {
        "name": "evaluation_runs",
        "endpoint": {
            "path": f"{BASE}/evaluation_runs",
            "paginator": "single_page",
            "response_actions": [lines_to_json],
        },
    }
    pages = {
        "type": "offset",
        "limit": PAGE_ROWS,
        "limit_body_path": "limit",
        "offset_body_path": "offset",
        "total_path": "total_rows",
    }
    return {
        "client": {"base_url": url, "auth": {"type": "http_basic", "username": "api", "password": "key"}},
        "resources": [
            runs,
            _results("results", "rows", pages, include_raw_data_rows=True, resolve_row_refs=True),
            _results("summaries", "summary.evaluations", "single_page", include_rows=False, include_summary=True),
        ],
    }


def _destination(where: str) -> Destination[Any, Any]:
    return dlt.destinations.postgres(where) if where.startswith("postgresql://") else dlt.destinations.duckdb(where)


def main(url: str, where: str) -> None:
    """Loads everything."""
    with tempfile.TemporaryDirectory() as folder:
        pipeline = dlt.pipeline("rest_api", folder, destination=_destination(where), dataset_name="weave")
        pipeline.run(rest_api_source(configuration(url)))


if __name__ == "__main__":
    main(*sys.argv[1:])
