"""Predictions as the v2 API lists them: only runs that were made through that API have any."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import quote

import msgspec

from ..api.calls import MOST_ATTEMPTS, Query, count_calls, ended_early
from ..api.client import WeaveClient
from ..api.json_lines import parse_lines
from ..api.lists import parse_cleaned, read_pages
from ..api.query import all_of, equal, where
from ..errors import NotFoundError, NotWeaveError, UnreadableBodyError
from ..rows.columns import TableRow
from ..weave.runs import Run
from ..weave.sanitize import Changes, json_or_none

PAGE = 500
"""Predictions asked for at once."""

_IN_COLUMNS = frozenset({"prediction_id", "evaluation_run_id", "model", "inputs", "output", "wb_user_id"})

Prediction = dict[str, Any]
"""A prediction in the API's answer."""


@dataclass
class PredictionsRead:
    """One page of a run's predictions, and what was noticed."""

    rows: list[TableRow]
    warnings: list[str] = field(default_factory=list)


def is_v2_run(run: Run) -> bool:
    """Whether the run was made through the v2 API, so that its predictions are listed."""
    attributes = msgspec.json.decode(run.attributes) if run.attributes else None
    weave = attributes.get("weave") if isinstance(attributes, dict) else None
    return isinstance(weave, dict) and weave.get("evaluation_run") == "true"


def prediction_row(run_id: str, prediction: Prediction) -> TableRow:
    """The row of a prediction that was listed for the run."""
    extra = {name: value for name, value in prediction.items() if name not in _IN_COLUMNS and value is not None}
    return {
        "prediction_id": prediction["prediction_id"],
        "run_id": prediction.get("evaluation_run_id") or run_id,
        "model_ref": prediction.get("model") or None,
        "inputs": json_or_none(prediction.get("inputs")),
        "output": json_or_none(prediction.get("output")),
        "user_id": prediction.get("wb_user_id"),
        "extra": json_or_none(extra or None),
    }


def read_predictions(client: WeaveClient, run_id: str) -> Iterator[PredictionsRead]:
    """The predictions of a run, in pages, each prediction once.

    A server that has no such list gives one page without rows and with a warning.
    """
    changes = Changes()
    seen: set[str] = set()
    try:
        for page in _pages(client, run_id, changes):
            fresh = {item["prediction_id"]: item for item in page if item["prediction_id"] not in seen}
            seen |= fresh.keys()
            rows = [prediction_row(run_id, prediction) for prediction in fresh.values()]
            yield PredictionsRead(rows, [f"predictions: {warning}" for warning in changes.warnings()])
            changes.clear()
    except NotWeaveError as error:
        if error.status not in (404, 405):
            raise
        yield PredictionsRead([], [f"predictions: {client.base_url} has no list of predictions; none were read"])


def _pages(client: WeaveClient, run_id: str, changes: Changes) -> Iterator[list[Prediction]]:
    """Pages of the list, until there are as many as are counted: a stream of lines can end early without a sign."""
    parse = partial(_parse_lines, changes=changes)
    purpose = f"listing the predictions of the run {run_id}"
    read = count = 0

    def fetch(start: int, offset: int, limit: int) -> list[Prediction]:
        params = [("evaluation_run_id", run_id), ("limit", str(limit)), ("offset", str(start + offset))]
        return client.get(client.v2_path("predictions"), parse, purpose=purpose, params=params)

    for _ in range(MOST_ATTEMPTS):
        for page in read_pages(partial(fetch, read), PAGE, until_empty=True):
            read += len(page)
            yield page
        count = count_calls(client, _query(client.project_id, run_id), purpose)
        if read >= count:
            return
    raise ended_early(client, purpose, read, count)


def _query(project_id: str, run_id: str) -> Query:
    """The calls that Weave lists as predictions of a run."""
    wanted = {"prediction": "true", "evaluation_run_id": run_id}
    terms = [equal(f"attributes.weave.{name}", value) for name, value in wanted.items()]
    return {"project_id": project_id, "query": where(all_of(terms))}


def read_prediction(client: WeaveClient, prediction_id: str) -> TableRow:
    """The row of one prediction, by its id.

    Raises `NotFoundError` if Weave does not have it. Calls that the SDK logged as predictions are read too, but Weave
    gives neither their model nor their inputs.
    """
    path = client.v2_path(f"predictions/{quote(prediction_id, safe='')}")
    parse = partial(_parse_prediction, changes=Changes())
    try:
        prediction = client.get(path, parse, purpose=f"reading the prediction {prediction_id}")
    except NotFoundError:
        message = f"{client.project_id} has no prediction {prediction_id}: it was deleted, or the id is wrong."
        raise NotFoundError(message, 404) from None
    return prediction_row("", prediction)


def _parse_lines(body: bytes, changes: Changes) -> list[Prediction]:
    return parse_lines(body, partial(_parse_prediction, changes=changes), "prediction")


def _parse_prediction(body: bytes, changes: Changes) -> Prediction:
    prediction = parse_cleaned(body, changes)
    if not isinstance(prediction, dict) or not isinstance(prediction.get("prediction_id"), str):
        raise UnreadableBodyError("it is not a prediction")
    return prediction
