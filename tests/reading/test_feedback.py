from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from tests.weave_server import damage
from tests.weave_server.fixtures import PROJECT, Project
from tests.weave_server.process import KEY, WeaveServer
from weave_eval.api.bodies import StreamParser
from weave_eval.api.client import WeaveClient
from weave_eval.api.limiter import RateLimiter
from weave_eval.errors import TooHeavyError, UnreadableBodyError
from weave_eval.reading import feedback
from weave_eval.reading.feedback import (
    NOWHERE,
    FeedbackRead,
    Place,
    call_id_of,
    feedback_row,
    read_feedback,
    row_digest_of,
    scorer_name_of,
)
from weave_eval.rows.arrow import record_batch
from weave_eval.rows.columns import Columns, TableRow
from weave_eval.state.cursor import Cursor

CONSTANTS = {"project_id": "acme/support", "_dlt_load_id": "load-1"}
CALL = "weave:///acme/support/call/call-1"
NOON = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)


def _accepted(row: TableRow) -> TableRow:
    """The row, after Arrow has accepted its columns and their types."""
    record_batch(Columns.of("feedback", [row]), CONSTANTS)
    return row


def _item(**changed: Any) -> dict[str, Any]:
    return {
        "id": "feedback-1",
        "project_id": "acme/support",
        "weave_ref": CALL,
        "wb_user_id": "user-2",
        "creator": "Ada",
        "created_at": "2026-11-23T12:00:00.000003Z",
        "feedback_type": "wandb.runnable.exact",
        "payload": {"output": 0.5},
        "annotation_ref": None,
        "runnable_ref": "weave:///acme/support/object/exact:4d4d",
        "call_ref": "weave:///acme/support/call/call-5",
        "queue_id": None,
        "scorer_tags": [],
        "scorer_ratings": {"_rating_": 0.75},
        "span_agent_name": "",
        "span_status_code": "UNSET",
        **changed,
    }


def test_every_column_is_read_from_its_own_place() -> None:
    row = _accepted(feedback_row(_item(), Place("run-6", "trial-7", "digest-8")))
    extra = row.pop("extra")
    assert row == {
        "feedback_id": "feedback-1",
        "feedback_type": "wandb.runnable.exact",
        "call_id": "call-1",
        "run_id": "run-6",
        "row_digest": "digest-8",
        "trial_id": "trial-7",
        "creator": "Ada",
        "created_at": NOON.replace(microsecond=3),
        "scorer_name": "exact",
        "payload": b'{"output":0.5}',
        "weave_ref": CALL,
    }
    assert json.loads(extra) == {
        "wb_user_id": "user-2",
        "runnable_ref": "weave:///acme/support/object/exact:4d4d",
        "call_ref": "weave:///acme/support/call/call-5",
        "scorer_ratings": {"_rating_": 0.75},
    }


def test_a_bare_item_has_a_row() -> None:
    row = _accepted(feedback_row({"id": "f", "created_at": "2026-11-23T12:00:00Z"}, NOWHERE))
    assert {name for name, value in row.items() if value is not None} == {"feedback_id", "created_at"}


@pytest.mark.parametrize(
    ("weave_ref", "call_id"),
    [
        (CALL, "call-1"),
        (f"{CALL}/attr/output", "call-1"),
        ("weave:///acme/support/object/atlas:m1", None),
        ("weave-private://///call/c", "c"),
        ("nonsense", None),
        (None, None),
    ],
)
def test_feedback_is_given_to_a_call_or_to_something_else(weave_ref: Any, call_id: str | None) -> None:
    assert call_id_of(_item(weave_ref=weave_ref)) == call_id


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"runnable_ref": "weave:///a/b/op/length:1", "feedback_type": "wandb.runnable.other"}, "length"),
        ({"runnable_ref": None, "feedback_type": "wandb.runnable.exact.match"}, "exact.match"),
        ({"runnable_ref": None, "feedback_type": "wandb.runnable."}, None),
        ({"runnable_ref": None, "feedback_type": "wandb.annotation.tone"}, None),
        ({"runnable_ref": None, "feedback_type": None}, None),
    ],
)
def test_scorers_are_named_as_in_scores(fields: dict[str, Any], name: str | None) -> None:
    assert scorer_name_of(_item(**fields)) == name


@pytest.mark.parametrize(
    ("example", "digest"),
    [
        ("weave:///a/b/object/rows:v/attr/rows/id/d1g357", "d1g357"),
        ("weave-private://///object/rows:v/attr/rows/id/d1g357", "d1g357"),
        ("weave:///a/b/object/rows:v/attr/rows/id/d1g357/key/question", None),
        ("weave:///a/b/object/rows:v", None),
        ({"inline": "/attr/rows/id/d1g357"}, None),
        ("just text", None),
        (None, None),
    ],
)
def test_the_input_of_a_trial_is_known_where_it_is_a_row_of_a_dataset(example: Any, digest: str | None) -> None:
    assert row_digest_of(example) == digest


def _call(call_id: str, parent_id: str | None, op: str, **fields: Any) -> dict[str, Any]:
    return {"id": call_id, "parent_id": parent_id, "op_name": f"weave:///acme/support/op/{op}:0d", **fields}


class Weave(WeaveClient):
    """Answers with given feedback and calls, too heavy above `heavy` items; remembers what was asked."""

    def __init__(self, items: list[dict[str, Any]], calls: list[dict[str, Any]], heavy: int = 10_000):
        super().__init__("http://127.0.0.1", "key", "acme/support", limiter=RateLimiter(1000))
        self.items = items
        self.calls = calls
        self.heavy = heavy
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def stream(
        self,
        path: str,
        body: dict[str, Any],
        make_parser: Callable[[], StreamParser[Any]],
        *,
        purpose: str,
        max_bytes: int | None = None,
        has_alternative: bool = False,
    ) -> Any:
        assert (bool(purpose), max_bytes, has_alternative) == (True, None, False)
        self.asked.append((path, body))
        reader = make_parser()
        reader.feed(self.answer(path, body))
        return reader.close()

    def answer(self, path: str, body: dict[str, Any]) -> bytes:
        if path in ("/calls/stream_query", "/calls/query_stats"):
            found = [call for call in self.calls if call["id"] in body["filter"]["call_ids"]]
            if path == "/calls/query_stats":
                return json.dumps({"count": len(found)}).encode()
            return "".join(json.dumps(call) + "\n" for call in found).encode()
        if body["limit"] > self.heavy:
            raise TooHeavyError("too heavy", 413)
        page = self.items[body["offset"] : body["offset"] + body["limit"]]
        return json.dumps({"result": page, "total_count": len(self.items)}).encode()


EXAMPLE = {"inputs": {"example": "weave:///acme/support/object/rows:v/attr/rows/id/digest-3"}}
EVALUATION = [
    _call("root", None, "nightly"),
    _call("run-1", "root", "Evaluation.evaluate"),
    _call("trial-2", "run-1", "Evaluation.predict_and_score", **EXAMPLE),
    _call("prediction", "trial-2", "Atlas.predict"),
    _call("tool", "prediction", "search"),
    _call("scorer", "trial-2", "Exact.score"),
    _call("summary", "run-1", "Evaluation.summarize"),
    _call("stray", "root", "Evaluation.predict_and_score", **EXAMPLE),
]


def _on(call_id: str, item_id: str = "f", at: datetime = NOON) -> dict[str, Any]:
    return _item(id=item_id, weave_ref=f"weave:///acme/support/call/{call_id}", created_at=at.isoformat())


def _places(client: Weave, now: datetime = NOON) -> dict[str, tuple[Any, ...]]:
    pages = read_feedback(client, Cursor(), now)
    rows = [_accepted(row) for page in pages for row in page.rows]
    return {row["call_id"]: (row["run_id"], row["trial_id"], row["row_digest"]) for row in rows}


@pytest.mark.parametrize(
    ("call_id", "place"),
    [
        ("run-1", ("run-1", None, None)),
        ("summary", ("run-1", None, None)),
        ("trial-2", ("run-1", "trial-2", "digest-3")),
        ("prediction", ("run-1", "trial-2", "digest-3")),
        ("scorer", ("run-1", "trial-2", "digest-3")),
        ("tool", ("run-1", "trial-2", "digest-3")),
        ("root", (None, None, None)),
        ("stray", (None, None, None)),
        ("unheard-of", (None, None, None)),
    ],
)
def test_feedback_is_tied_to_run_trial_and_input(call_id: str, place: tuple[Any, ...]) -> None:
    assert _places(Weave([_on(call_id)], EVALUATION)) == {call_id: place}


def test_trials_of_the_typescript_sdk_are_found() -> None:
    calls = [_call("r", None, "Evaluation.evaluate"), _call("t", "r", "Evaluation.predictAndScore")]
    assert _places(Weave([_on("t")], calls)) == {"t": ("r", "t", None)}


def test_ops_other_than_weaves_can_be_evaluations() -> None:
    calls = [_call("r", None, "Bench.run"), _call("t", "r", "Evaluation.predict_and_score")]
    (page,) = read_feedback(Weave([_on("t")], calls), Cursor(), NOON, ["Bench.run"])
    assert _accepted(page.rows[0])["run_id"] == "r"


def test_calls_that_contain_each_other_come_to_an_end() -> None:
    calls = [_call("a", "b", "x"), _call("b", "a", "y")]
    assert _places(Weave([_on("a")], calls)) == {"a": (None, None, None)}


def test_a_page_costs_one_request_for_each_level_and_one_for_the_inputs() -> None:
    client = Weave([_on(call["id"], f"f-{n}") for n, call in enumerate(EVALUATION[1:4])], EVALUATION)
    assert set(_places(client)) == {"run-1", "trial-2", "prediction"}
    asked = [body["filter"]["call_ids"] for path, body in client.asked if path == "/calls/stream_query"]
    assert asked == [["prediction", "run-1", "trial-2"], ["trial-2"]]


def test_calls_are_asked_for_once_in_all_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feedback, "PAGE", 2)
    client = Weave([_on("scorer", f"f-{n}") for n in range(5)], EVALUATION)
    pages = list(read_feedback(client, Cursor(), NOON))
    assert [len(page.rows) for page in pages] == [2, 2, 1]
    assert {_accepted(row)["trial_id"] for page in pages for row in page.rows} == {"trial-2"}
    paths = [path for path, _ in client.asked]
    assert paths.count("/calls/stream_query") == 4
    assert paths.count("/feedback/query") == 3


def test_items_that_repeat_count_once() -> None:
    client = Weave([_on("run-1", "f-1"), _on("run-1", "f-1"), _on("run-1", "f-2")], EVALUATION)
    (page,) = read_feedback(client, Cursor(), NOON)
    assert [row["feedback_id"] for row in page.rows] == ["f-1", "f-2"]


def test_too_heavy_pages_are_asked_for_in_parts() -> None:
    client = Weave([_on("run-1", f"f-{n}") for n in range(300)], EVALUATION, heavy=130)
    assert sum(len(page.rows) for page in read_feedback(client, Cursor(), NOON)) == 300
    with pytest.raises(TooHeavyError):
        list(read_feedback(Weave([], [], heavy=0), Cursor(), NOON))


def test_a_call_that_does_not_show_yet_is_looked_for_again_for_an_hour() -> None:
    client = Weave([_on("late")], EVALUATION)
    (page,) = read_feedback(client, Cursor(), NOON + timedelta(minutes=30))
    client.calls = [*EVALUATION, _call("late", "trial-2", "Late.score")]
    (again,) = read_feedback(client, page.cursor, NOON + timedelta(minutes=40))
    assert [_accepted(part.rows[0])["trial_id"] for part in (page, again)] == [None, "trial-2"]
    assert list(read_feedback(client, again.cursor, NOON + timedelta(minutes=50))) == []


def test_a_call_that_was_deleted_is_not_looked_for_for_ever() -> None:
    client = Weave([_on("deleted")], EVALUATION)
    (page,) = read_feedback(client, Cursor(), NOON + timedelta(minutes=61))
    assert list(read_feedback(client, page.cursor, NOON + timedelta(minutes=61))) == []


def test_odd_texts_and_numbers_are_cleaned_and_reported() -> None:
    client = Weave([_item(payload={"note": "a\0", "x": float("inf"), "big": 2**70}, weave_ref=None)], [])
    (page,) = read_feedback(client, Cursor(), NOON)
    payload = _accepted(page.rows[0])["payload"]
    assert payload == f'{{"note":"a\ufffd","x":null,"big":{2**70}}}'.encode()
    assert page.warnings == [
        "feedback: 1 texts with NUL or lone surrogates were changed (to U+FFFD)",
        "feedback: 1 numbers that are not finite were changed to null",
    ]


@pytest.mark.parametrize(
    "item", [{"created_at": "2026-11-23T12:00:00Z"}, {"id": 5, "created_at": "2026-11-23T12:00:00Z"}, {"id": "f"}]
)
def test_what_is_no_feedback_is_unreadable(item: dict[str, Any]) -> None:
    with pytest.raises(UnreadableBodyError):
        list(read_feedback(Weave([item], []), Cursor(), NOON))


def test_what_is_no_call_is_unreadable() -> None:
    class Odd(Weave):
        def answer(self, path: str, body: dict[str, Any]) -> bytes:
            return b'{"parent_id": null}\n' if path == "/calls/stream_query" else super().answer(path, body)

    with pytest.raises(UnreadableBodyError):
        list(read_feedback(Odd([_on("run-1")], []), Cursor(), NOON))


def _client(server: WeaveServer) -> WeaveClient:
    return WeaveClient(server.url, KEY, PROJECT, limiter=RateLimiter(1000))


def _read(server: WeaveServer, cursor: Cursor | None = None) -> list[FeedbackRead]:
    return list(read_feedback(_client(server), cursor or Cursor(), datetime.now(timezone.utc)))


def _rows(pages: list[FeedbackRead]) -> list[dict[str, Any]]:
    return [_accepted(row) for page in pages for row in page.rows]


def _give(server: WeaveServer, weave_ref: str, feedback_type: str, payload: dict[str, Any], **fields: Any) -> str:
    body = {
        "project_id": PROJECT,
        "weave_ref": weave_ref,
        "feedback_type": feedback_type,
        "payload": payload,
        **fields,
    }
    answer = server.api("POST", "/feedback/create", body)
    answer.raise_for_status()
    return str(answer.json()["id"])


def _annotation(server: WeaveServer, name: str) -> str:
    """What people are asked to annotate; its ref."""
    val = {"name": name, "field_schema": {"type": "number"}}
    body = {"obj": {"project_id": PROJECT, "object_id": name, "val": val, "builtin_object_class": "AnnotationSpec"}}
    answer = server.api("POST", "/obj/create", body)
    answer.raise_for_status()
    return f"weave:///{PROJECT}/object/{name}:{answer.json()['digest']}"


def _call_ref(call_id: str) -> str:
    return f"weave:///{PROJECT}/call/{call_id}"


def test_scores_of_the_sdk_are_tied_to_their_trials(sdk_project: Project) -> None:
    server = sdk_project.server
    rows = _rows(_read(server))
    assert len({row["feedback_id"] for row in rows}) == len(rows) > 80
    of_run = [row for row in rows if row["run_id"] == sdk_project.ids["class_model"]]
    assert {row["trial_id"] for row in of_run} == set(damage.trial_ids(server, PROJECT, sdk_project.ids["class_model"]))
    assert {row["scorer_name"] for row in of_run} == {"exact", "judge", "length"}
    body = {"evaluation_call_ids": [sdk_project.ids["class_model"]]}
    answer = server.api("POST", f"/v2/{PROJECT}/eval_results/query", body).json()
    assert {row["row_digest"] for row in of_run} == {row["row_digest"] for row in answer["rows"]}


def test_scores_of_inline_inputs_have_no_digest(sdk_project: Project) -> None:
    rows = [row for row in _rows(_read(sdk_project.server)) if row["run_id"] == sdk_project.ids["v2"]]
    assert {row["scorer_name"] for row in rows} == {"politeness", "resolved"}
    assert {row["row_digest"] for row in rows} == {None}
    assert None not in {row["trial_id"] for row in rows}


def test_a_project_costs_few_requests_and_an_unchanged_one_costs_one(sdk_project: Project) -> None:
    server = sdk_project.server
    server.clear_requests()
    pages = _read(server)
    assert len(server.requests()) == 6
    server.clear_requests()
    assert _read(server, pages[-1].cursor) == []
    assert len(server.requests()) == 1


def test_what_people_give_is_found_and_tied(sdk_project: Project) -> None:
    server = sdk_project.server
    cursor = _read(server)[-1].cursor
    run_id = sdk_project.ids["class_model"]
    trial_id = damage.trial_ids(server, PROJECT, run_id)[0]
    children = server.calls(PROJECT, parent_ids=[trial_id])
    (predict,) = [call["id"] for call in children if "Atlas.predict" in call["op_name"]]
    (score,) = [call["id"] for call in children if "Exact.score" in call["op_name"]]
    annotation = _annotation(server, "warmth")
    given = {
        _give(server, _call_ref(run_id), "wandb.note.1", {"note": "a note"}, creator="Ada"): (run_id, None),
        _give(server, _call_ref(trial_id), "wandb.reaction.1", {"emoji": "👍"}): (run_id, trial_id),
        _give(
            server, _call_ref(predict), "wandb.annotation.warmth", {"value": 0.625}, annotation_ref=annotation
        ): (run_id, trial_id),
        _give(server, _call_ref(score), "custom", {"verdict": "fair"}): (run_id, trial_id),
        _give(server, f"weave:///{PROJECT}/object/atlas:x", "wandb.note.1", {"note": "on a model"}): (None, None),
        _give(server, _call_ref("019a0000-0000-7000-8000-000000000000"), "custom", {}): (None, None),
    }  # fmt: skip
    rows = {row["feedback_id"]: row for row in _rows(_read(server, cursor))}
    assert {name: (row["run_id"], row["trial_id"]) for name, row in rows.items()} == given
    note, reaction, annotated, *_ = rows.values()
    assert (note["creator"], note["payload"], note["call_id"]) == ("Ada", b'{"note":"a note"}', run_id)
    assert json.loads(reaction["payload"])["emoji"] == "👍"
    assert json.loads(annotated["extra"])["annotation_ref"] == annotation
    assert {row["scorer_name"] for row in rows.values()} == {None}
    assert note["row_digest"] is None
    assert reaction["row_digest"] == annotated["row_digest"] is not None


def test_feedback_on_a_nested_run_is_tied_to_it(sdk_project: Project) -> None:
    server = sdk_project.server
    (run,) = server.calls(PROJECT, call_ids=[sdk_project.ids["nested"]])
    on_run = _give(server, _call_ref(run["id"]), "wandb.note.1", {"note": "inner"})
    on_parent = _give(server, _call_ref(run["parent_id"]), "wandb.note.1", {"note": "outer"})
    rows = {row["feedback_id"]: row["run_id"] for row in _rows(_read(server))}
    assert (rows[on_run], rows[on_parent]) == (run["id"], None)


def test_a_late_score_comes_with_the_next_load(sdk_project: Project) -> None:
    server = sdk_project.server
    cursor = _read(server)[-1].cursor
    (prediction,) = server.calls(PROJECT, call_ids=[sdk_project.ids["v2_prediction"]])
    body = {
        "prediction_id": prediction["id"],
        "scorer": next(
            json.loads(row["extra"])["runnable_ref"]
            for row in _rows(_read(server))
            if row["scorer_name"] == "politeness"
        ),
        "value": 0.09375,
        "evaluation_run_id": sdk_project.ids["v2"],
    }
    server.api("POST", f"/v2/{PROJECT}/scores", body).raise_for_status()
    (row,) = _rows(_read(server, cursor))
    assert (row["run_id"], row["trial_id"]) == (sdk_project.ids["v2"], prediction["parent_id"])
    assert (row["scorer_name"], json.loads(row["payload"])) == ("politeness", {"output": 0.09375})


def test_many_items_come_in_pages(server: WeaveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feedback, "PAGE", 4)
    (run_id,) = server.bulk(PROJECT, rows=1, scorers=1)
    given = [_give(server, _call_ref(run_id), "custom", {"number": number}) for number in range(9)]
    pages = _read(server)
    assert [row["feedback_id"] for row in _rows(pages)] == given
    assert [row["run_id"] for row in _rows(_read(server, pages[0].cursor))] == [run_id] * 5


def test_an_empty_project_has_none(server: WeaveServer) -> None:
    assert _read(server) == []


@pytest.mark.slow
def test_the_newest_server_answers_alike() -> None:
    with WeaveServer.start("0.53.12") as server:
        ids = server.seed("rest", PROJECT) | server.seed("crash", PROJECT)
        pages = _read(server)
        rows = _rows(pages)
        assert {row["run_id"] for row in rows} == {ids[name] for name in ("v2", "v2_running", "rescored", "crashed")}
        crashed = [row for row in rows if row["run_id"] == ids["crashed"]]
        assert None not in {row["row_digest"] for row in crashed}
        assert _read(server, pages[-1].cursor) == []
