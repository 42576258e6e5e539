"""A client that asks for all that a load asks for and throws the answers away: what the API gives at best."""

from __future__ import annotations

import json
import sys

from tests.benchmarks.contenders.download import Download


def main(url: str) -> None:
    """Downloads everything."""
    download = Download(url)
    runs = download.runs()
    summaries = map(json.loads, download.summaries(runs))
    row_counts = {run["id"]: summary["total_rows"] for run, summary in zip(runs, summaries, strict=True)}
    for _ in download.results(runs, row_counts):
        pass


if __name__ == "__main__":
    main(sys.argv[1])
