"""Where W&B's production server (on ClickHouse) answers `eval_results` otherwise than its in-memory one.

Trials within a row come in no promised order; a page past the end says `total_rows` 0, while a count without
rows is right; a row logged inline has 64 upper-case hex digits of SHA-256 over its minified JSON as digest.
"""

import hashlib
import json
import random
from collections.abc import Callable
from typing import Any

from weave.trace_server import eval_results_helpers
from weave.trace_server import trace_server_interface as tsi

shuffler = random.Random(0)
stock_digest: Callable[[Any], tuple[str, bool]] = eval_results_helpers.extract_row_digest_from_example


def clickhouse_digest(example: Any) -> tuple[str, bool]:
    digest, is_from_ref = stock_digest(example)
    if is_from_ref:
        return digest, True
    text = json.dumps(example, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest().upper(), False


def use_clickhouse_digests(is_on: bool) -> None:
    eval_results_helpers.extract_row_digest_from_example = clickhouse_digest if is_on else stock_digest


def answer_like_clickhouse(
    request: tsi.EvalResultsQueryReq, answer: tsi.EvalResultsQueryRes, count: Callable[[], int]
) -> None:
    """Changes the answer in place; `count` gives the true number of rows."""
    for row in answer.rows:
        for evaluation in row.evaluations:
            shuffler.shuffle(evaluation.trials)
    if request.include_summary or answer.rows:
        return
    answer.total_rows = 0 if request.include_rows else count()
