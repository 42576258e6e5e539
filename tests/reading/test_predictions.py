from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.weave_server.fixtures import PROJECT, Project
from tests.weave_server.process import KEY, WeaveServer
from weave_eval.api.client import WeaveClient
from weave_eval.api.limiter import RateLimiter
from weave_eval.errors import NotFoundError, NotWeaveError, TooHeavyError, UnreadableBodyError
from weave_eval.reading import predictions
from weave_eval.reading.discovery import list_runs
from weave_eval.reading.predictions import is_v2_run, prediction_row, read_prediction, read_predictions
from weave_eval.rows.arrow import record_batch
from weave_eval.rows.columns import Columns, TableRow
from weave_eval.weave.run_filter import RunFilter
from weave_eval.weave.runs import Run, parse_run

CONSTANTS = {"project_id": "acme/support", "_dlt_load_id": "load-1"}
MODEL = "weave:///acme/support/object/helpdesk:3d3d"


def _accepted(row: TableRow) -> TableRow:
    """The row, after Arrow has accepted its columns and their types."""
    record_batch(Columns.of("predictions", [row]), CONSTANTS)
    return row


def _prediction(**changed: Any) -> dict[str, Any]:
    return {
        "prediction_id": "prediction-1",
        "model": MODEL,
        "inputs": {"ticket": 4},
        "output": {"reply": 5},
        "evaluation_run_id": "run-2",
        "wb_user_id": "user-6",
        **changed,
    }


def test_every_column_is_read_from_its_own_place() -> None:
    assert _accepted(prediction_row("run-9", _prediction(confidence=0.7, nothing=None))) == {
        "prediction_id": "prediction-1",
        "run_id": "run-2",
        "model_ref": MODEL,
        "inputs": b'{"ticket":4}',
        "output": b'{"reply":5}',
        "user_id": "user-6",
        "extra": b'{"confidence":0.7}',
    }


def test_a_bare_prediction_belongs_to_the_run_it_was_listed_for() -> None:
    row = _accepted(prediction_row("run-9", {"prediction_id": "p", "model": "", "evaluation_run_id": None}))
    assert {name: value for name, value in row.items() if value is not None} == {
        "prediction_id": "p",
        "run_id": "run-9",
    }


@pytest.mark.parametrize("output", [False, 0, "", [], {}, 2**70])
def test_outputs_of_any_kind_are_kept(output: Any) -> None:
    row = _accepted(prediction_row("run-9", _prediction(output=output)))
    assert json.loads(row["output"]) == output


def _run(attributes: Any) -> Run:
    call = {"id": "r", "started_at": "2026-11-23T12:00:00Z", "attributes": attributes}
    return parse_run(json.dumps(call).encode())


@pytest.mark.parametrize(
    ("attributes", "is_v2"),
    [
        ({"weave": {"evaluation_run": "true"}}, True),
        ({"weave": {"evaluation_run": "false"}}, False),
        ({"weave": None}, False),
        ({}, False),
        (None, False),
    ],
)
def test_runs_of_the_v2_api_are_told_apart(attributes: Any, is_v2: bool) -> None:
    assert is_v2_run(_run(attributes)) is is_v2


class Weave(WeaveClient):
    """Answers with pages of the given lines, too heavy above `heavy` lines."""

    def __init__(self, lines: list[bytes], heavy: int = 10_000):
        super().__init__("http://127.0.0.1", "key", "acme/support", limiter=RateLimiter(1000))
        self.lines = lines
        self.heavy = heavy

    def post(self, path: str, body: dict[str, Any], parse: Callable[[bytes], Any], **options: Any) -> Any:
        assert (path, bool(options["purpose"])) == ("/calls/query_stats", True)
        assert body["project_id"] == "acme/support"
        return parse(json.dumps({"count": len(self.lines)}).encode())

    def get(
        self,
        path: str,
        parse: Callable[[bytes], Any],
        *,
        purpose: str,
        params: list[tuple[str, str]] | None = None,
    ) -> Any:
        asked = dict(params or ())
        assert (path, bool(purpose), asked["evaluation_run_id"]) == ("/v2/acme/support/predictions", True, "run-2")
        offset, limit = int(asked["offset"]), int(asked["limit"])
        if limit > self.heavy:
            raise TooHeavyError("too heavy", 413)
        return parse(b"".join(line + b"\n" for line in self.lines[offset : offset + limit]))


def _lines(*names: str) -> list[bytes]:
    return [json.dumps(_prediction(prediction_id=name)).encode() for name in names]


def test_predictions_that_repeat_count_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictions, "PAGE", 2)
    pages = read_predictions(Weave(_lines("a", "b", "b", "c")), "run-2")
    assert [[row["prediction_id"] for row in page.rows] for page in pages] == [["a", "b"], ["c"]]


def test_a_list_that_ends_early_is_read_on() -> None:
    class Short(Weave):
        def get(self, path: str, parse: Callable[[bytes], Any], **options: Any) -> Any:
            return super().get(path, parse, **options)[:2]

    pages = read_predictions(Short(_lines("a", "b", "c")), "run-2")
    assert [[row["prediction_id"] for row in page.rows] for page in pages] == [["a", "b"], ["c"]]


def test_too_heavy_pages_are_asked_for_in_parts() -> None:
    names = [f"p-{number}" for number in range(70)]
    pages = read_predictions(Weave(_lines(*names), heavy=40), "run-2")
    assert [row["prediction_id"] for page in pages for row in page.rows] == names
    with pytest.raises(TooHeavyError):
        list(read_predictions(Weave([], heavy=0), "run-2"))


def test_odd_texts_and_numbers_are_cleaned_and_reported() -> None:
    line = json.dumps(_prediction(output={"text": "a\0", "x": float("nan")})).encode()
    (page,) = read_predictions(Weave([line]), "run-2")
    assert _accepted(page.rows[0])["output"] == '{"text":"a\ufffd","x":null}'.encode()
    assert page.warnings == [
        "predictions: 1 texts with NUL or lone surrogates were changed (to U+FFFD)",
        "predictions: 1 numbers that are not finite were changed to null",
    ]


@pytest.mark.parametrize("line", [b"{}", b'{"prediction_id": 5}', b"7", b"{"])
def test_what_is_no_prediction_is_unreadable(line: bytes) -> None:
    with pytest.raises(UnreadableBodyError):
        list(read_predictions(Weave([line]), "run-2"))


def _client(server: WeaveServer) -> WeaveClient:
    return WeaveClient(server.url, KEY, PROJECT, limiter=RateLimiter(1000))


def _rows(server: WeaveServer, run_id: str) -> list[dict[str, Any]]:
    return [_accepted(row) for page in read_predictions(_client(server), run_id) for row in page.rows]


def _check_rest_run(server: WeaveServer, ids: dict[str, str]) -> None:
    first, second = _rows(server, ids["v2"])
    assert (first["prediction_id"], first["run_id"]) == (ids["v2_prediction"], ids["v2"])
    assert first["model_ref"].startswith(f"weave:///{PROJECT}/object/helpdesk:")
    assert json.loads(first["inputs"]) == {"ticket": 501, "text": "refund me"}
    assert json.loads(first["output"]) == {"reply": "done", "cents": 1999}
    assert (second["output"], second["user_id"]) == (b'"on its way"', "VXNlcjoxMjM0NTY=")
    assert len(_rows(server, ids["v2_running"])) == 2
    assert _accepted(read_prediction(_client(server), ids["v2_prediction"])) == first


def test_the_predictions_of_a_run(sdk_project: Project) -> None:
    _check_rest_run(sdk_project.server, sdk_project.ids)


def test_runs_of_the_sdk_have_none(sdk_project: Project) -> None:
    assert _rows(sdk_project.server, sdk_project.ids["class_model"]) == []
    runs = list_runs(_client(sdk_project.server), RunFilter())
    named = {name: sdk_project.ids[name] for name in ("v2", "v2_running", "rescored")}
    assert {run.run_id for run in runs if is_v2_run(run)} == set(named.values())


def test_pages_are_asked_for_up_to_an_empty_one(sdk_project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictions, "PAGE", 1)
    sdk_project.server.clear_requests()
    assert len(_rows(sdk_project.server, sdk_project.ids["v2"])) == 2
    offsets = [dict(request["query"])["offset"] for request in sdk_project.server.requests("predictions")]
    assert offsets == ["0", "1", "2"]


def test_a_prediction_that_is_not_there(sdk_project: Project) -> None:
    with pytest.raises(NotFoundError, match="acme/support-bot has no prediction nope"):
        read_prediction(_client(sdk_project.server), "nope")


@pytest.mark.parametrize("status", [404, 405])
def test_a_server_without_the_list_is_no_failure(
    server: WeaveServer, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    client = _client(server)
    monkeypatch.setattr(client, "v2_path", lambda _: f"/v2/no/such/{'route' if status == 404 else 'call/start'}")
    (page,) = read_predictions(client, "run-2")
    assert (page.rows, len(page.warnings)) == ([], 1)
    assert "has no list of predictions" in page.warnings[0]


def test_a_web_page_is_a_failure(server: WeaveServer) -> None:
    client = WeaveClient(f"{server.url}/docs?", KEY, PROJECT, limiter=RateLimiter(1000))
    with pytest.raises(NotWeaveError):
        list(read_predictions(client, "run-2"))


@pytest.mark.slow
def test_the_newest_server_answers_alike() -> None:
    with WeaveServer.start("0.53.12") as server:
        _check_rest_run(server, server.seed("rest", PROJECT))
