from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.weave_server.fixtures import PROJECT, Project
from tests.weave_server.process import KEY, WeaveServer
from weave_eval.api.client import WeaveClient
from weave_eval.api.limiter import RateLimiter
from weave_eval.api.lists import parse_cleaned, parse_items
from weave_eval.errors import NotFoundError, TooHeavyError, UnreadableBodyError
from weave_eval.reading import objects
from weave_eval.reading.discovery import list_runs
from weave_eval.reading.objects import (
    ObjectsRead,
    WantedRefs,
    object_row,
    read_objects,
    ref_of,
    scorer_ref_named,
    scorer_refs_of,
)
from weave_eval.rows.arrow import record_batch
from weave_eval.rows.columns import Columns, TableRow
from weave_eval.state.cursor import OVERLAP, Cursor
from weave_eval.weave.run_filter import RunFilter
from weave_eval.weave.sanitize import Changes

TABLES = ("evaluations", "models", "datasets", "scorers")
CONSTANTS = {"project_id": "acme/support", "_dlt_load_id": "load-1"}
NOTHING: dict[str, int] = dict.fromkeys(TABLES, 0)


def _accepted(table: str, row: TableRow) -> TableRow:
    """The row, after Arrow has accepted its columns and their types."""
    record_batch(Columns.of(table, [row]), CONSTANTS)
    return row


def _version(**changed: Any) -> dict[str, Any]:
    return {
        "project_id": "acme/support",
        "object_id": "geography",
        "created_at": "2026-11-23T12:56:21.398779Z",
        "deleted_at": "2026-11-24T01:02:03.000004Z",
        "digest": "e1d1",
        "version_index": 3,
        "is_latest": 1,
        "kind": "object",
        "base_object_class": "Evaluation",
        "leaf_object_class": "Geography",
        "val": {
            "name": "Geo & graphy",
            "description": "where is what",
            "dataset": "weave:///acme/support/object/capitals:d2d2",
            "trials": 5,
            "scorers": ["weave:///acme/support/object/exact:5c5c", "weave:///acme/support/op/length:0b0b"],
        },
        "wb_user_id": "user-7",
        "size_bytes": None,
        "tags": ["golden"],
        **changed,
    }


def _row(table: str = "evaluations", **changed: Any) -> dict[str, Any]:
    return _accepted(table, object_row(table, _version(**changed)))


def test_every_column_of_an_evaluation_is_read_from_its_own_place() -> None:
    row = _row()
    definition, extra = row.pop("definition"), row.pop("extra")
    assert row == {
        "ref": "weave:///acme/support/object/geography:e1d1",
        "object_id": "geography",
        "name": "Geo & graphy",
        "digest": "e1d1",
        "version_index": 3,
        "created_at": datetime(2026, 11, 23, 12, 56, 21, 398779, tzinfo=timezone.utc),
        "description": "where is what",
        "kind": "object",
        "user_id": "user-7",
        "deleted_at": datetime(2026, 11, 24, 1, 2, 3, 4, tzinfo=timezone.utc),
        "dataset_ref": "weave:///acme/support/object/capitals:d2d2",
        "trials": 5,
        "scorer_refs": b'["weave:///acme/support/object/exact:5c5c","weave:///acme/support/op/length:0b0b"]',
    }
    assert json.loads(definition) == _version()["val"]
    assert json.loads(extra) == {
        "base_object_class": "Evaluation",
        "leaf_object_class": "Geography",
        "tags": ["golden"],
    }


@pytest.mark.parametrize("table", TABLES[1:])
def test_the_other_tables_have_the_same_columns_but_those_of_an_evaluation(table: str) -> None:
    assert _row(table) == {
        name: value for name, value in _row().items() if name not in {"dataset_ref", "trials", "scorer_refs"}
    }


def test_an_op_has_a_ref_of_its_own_kind() -> None:
    row = _row("scorers", kind="op", object_id="length", digest="0b0b", val={"_type": "CustomWeaveType"})
    assert (row["ref"], row["kind"], row["name"]) == ("weave:///acme/support/op/length:0b0b", "op", "length")


@pytest.mark.parametrize("val", [None, "text", 7, [], {}, {"name": None, "trials": None, "scorers": None}])
def test_definitions_of_any_shape_have_a_row(val: Any) -> None:
    row = _row(val=val)
    assert (row["name"], row["description"], row["dataset_ref"], row["trials"], row["scorer_refs"]) == (
        "geography", None, None, None, None,
    )  # fmt: skip
    assert row["definition"] == (None if val is None else json.dumps(val, separators=(",", ":")).encode())


def test_numbers_that_no_column_holds_stay_in_the_definition() -> None:
    row = _row(val={"trials": 2**70, "dataset": {"inline": 1}, "scorers": ["weave:///a/b/op/x:1", {"inline": 2}]})
    assert (row["trials"], row["dataset_ref"], row["scorer_refs"]) == (None, None, b'["weave:///a/b/op/x:1"]')
    assert str(2**70).encode() in row["definition"]


def test_a_run_without_scorers_is_told_from_an_evaluation_that_does_not_say() -> None:
    assert _row(val={"scorers": []})["scorer_refs"] == b"[]"
    assert scorer_refs_of(None) == []


def test_a_score_is_tied_to_the_scorer_of_its_name() -> None:
    refs = ["weave:///a/b/object/exact-match:1", "not a ref", "weave:///a/b/op/exact:2"]
    assert scorer_ref_named("exact", refs) == "weave:///a/b/op/exact:2"
    assert scorer_ref_named("exact-match", refs) == "weave:///a/b/object/exact-match:1"
    assert scorer_ref_named("other", refs) is None


def test_odd_texts_and_numbers_are_cleaned_and_counted() -> None:
    changes = Changes()
    body = json.dumps({"objs": [_version(val={"name": "geo\0", "\ud800": float("nan")})]}).encode()
    (version,) = parse_items(body, "objs", changes)
    row = _accepted("models", object_row("models", version))
    assert (row["name"], row["definition"]) == ("geo\ufffd", '{"name":"geo\ufffd","\ufffdd800":null}'.encode())
    assert (changes.texts, changes.numbers) == (2, 1)


def test_invalid_utf8_is_replaced() -> None:
    assert parse_cleaned(b'{"a": "b\xff"}', Changes()) == {"a": "b\ufffd"}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"objs": null}', b'{"objs": [1]}'])
def test_what_is_no_list_of_objects_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableBodyError):
        parse_items(body, "objs", Changes())


NOON = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)


def _ago(minutes: float) -> datetime:
    return NOON - timedelta(minutes=minutes)


def test_a_cursor_looks_an_hour_back_and_remembers_what_is_there() -> None:
    cursor = Cursor().after([(_ago(0), "new"), (_ago(59), "recent"), (_ago(61), "old")])
    assert cursor.since == NOON - OVERLAP
    assert [cursor.has(key) for key in ("new", "recent", "old")] == [True, True, False]


def test_a_cursor_stays_where_nothing_is_new() -> None:
    cursor = Cursor().after([(_ago(0), "a"), (_ago(30), "b")])
    assert cursor.after([(_ago(0), "a"), (_ago(30), "b")]) == cursor
    assert cursor.after([]) == cursor


def test_a_cursor_never_goes_back() -> None:
    """The newest item was deleted."""
    cursor = Cursor().after([(_ago(0), "a"), (_ago(30), "b")])
    shrunk = cursor.after([(_ago(30), "b")])
    assert (shrunk.since, shrunk.has("a"), shrunk.has("b")) == (cursor.since, False, True)


BURST = [(NOON + timedelta(seconds=number), f"key-{number}") for number in range(2000)]


def test_of_a_burst_only_the_newest_are_remembered() -> None:
    cursor = Cursor().after(BURST)
    assert cursor.since == BURST[1800][0]
    assert [key for _, key in BURST if cursor.has(key)] == [key for _, key in BURST[1800:]]
    assert len(json.dumps(cursor.dump())) < 5000


def test_all_of_a_moment_are_remembered() -> None:
    cursor = Cursor().after([(NOON, f"key-{number}") for number in range(2000)])
    assert (cursor.since, len(cursor.marks)) == (NOON, 2000)


def test_what_is_pending_is_read_again() -> None:
    cursor = Cursor().after(BURST, {"key-7", "key-1999"})
    assert cursor.since == BURST[7][0]
    assert [key for _, key in BURST[7:] if not cursor.has(key)] == ["key-7", "key-1999"]


@given(st.lists(st.tuples(st.integers(0, 10_000).map(_ago), st.text(max_size=3)), max_size=30))
def test_reading_on_from_a_cursor_finds_nothing_twice_and_misses_nothing(listed: list[tuple[datetime, str]]) -> None:
    cursor = Cursor().after(listed)
    later = [item for item in listed if cursor.since and item[0] >= cursor.since]
    assert all(cursor.has(key) for _, key in later)
    assert cursor.after(later) == cursor
    assert max(listed) in later if listed else cursor == Cursor()


def test_a_cursor_survives_being_saved() -> None:
    cursor = Cursor().after([(_ago(0), "a"), (_ago(30), "b")])
    assert Cursor.load(json.loads(json.dumps(cursor.dump()))) == cursor
    assert Cursor.load(json.loads(json.dumps(Cursor().dump()))) == Cursor()


@pytest.mark.parametrize("saved", [None, {}, [], "x", {"since": "soon", "marks": []}, {"since": 5, "marks": None}])
def test_an_unreadable_cursor_starts_over(saved: Any) -> None:
    assert Cursor.load(saved) == Cursor()


class Weave(WeaveClient):
    """Answers `objs/query` with pages of at most `heavy` versions, `obj/read` with a refusal; remembers the asked."""

    def __init__(self, versions: list[dict[str, Any]], refusal: str = "Obj not found", heavy: int = 10_000):
        super().__init__("http://127.0.0.1", "key", "acme/support", limiter=RateLimiter(1000))
        self.versions = versions
        self.refusal = refusal
        self.heavy = heavy
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def post(
        self,
        path: str,
        body: dict[str, Any],
        parse: Callable[[bytes], Any],
        *,
        purpose: str,
        max_bytes: int | None = None,
        has_alternative: bool = False,
    ) -> Any:
        assert (bool(purpose), max_bytes, has_alternative) == (True, None, False)
        self.asked.append((path, body))
        if path == "/obj/read":
            raise NotFoundError(f"reading it failed: {self.refusal}", 404)
        if body["limit"] > self.heavy:
            raise TooHeavyError("too heavy", 413)
        names = body["filter"].get("object_ids")
        found = [v for v in self.versions if not names or v["object_id"] in names]
        return parse(json.dumps({"objs": found[body["offset"] : body["offset"] + body["limit"]]}).encode())


def _minutes_ago(minutes: int) -> str:
    return _ago(minutes).isoformat()


def test_paging_stops_at_what_was_read_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "PAGE", 3)
    versions = [_version(digest=f"d{age}", created_at=_minutes_ago(age), val={}) for age in range(0, 300, 15)]
    client = Weave(versions)
    cursor = Cursor(_ago(70)).after([(_ago(30), ref_of(versions[2]))])
    read = read_objects(client, cursor, WantedRefs())
    assert [row["digest"] for row in read.rows["evaluations"]] == ["d0", "d15", "d45", "d60"]
    assert [body["offset"] for _, body in client.asked] == [0, 3]
    assert read.cursor.since == _ago(60)


def test_versions_that_move_to_the_next_page_count_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "PAGE", 2)
    one, two, three = (_version(digest=f"d{n}", val={}) for n in range(3))
    read = read_objects(Weave([one, two, two, three]), Cursor(), WantedRefs())
    assert [row["digest"] for row in read.rows["evaluations"]] == ["d0", "d1", "d2"]


def test_too_heavy_pages_are_asked_for_in_parts() -> None:
    versions = [_version(digest=f"d{n}", val={}) for n in range(300)]
    read = read_objects(Weave(versions, heavy=70), Cursor(), WantedRefs())
    assert len(read.rows["evaluations"]) == 300
    with pytest.raises(TooHeavyError):
        read_objects(Weave(versions, heavy=0), Cursor(), WantedRefs())


def test_classes_decide_the_table() -> None:
    versions = [_version(base_object_class=name, digest=name, val={}) for name in objects.TABLE_OF_CLASS]
    rows = read_objects(Weave(versions), Cursor(), WantedRefs()).rows
    assert {table: [row["digest"] for row in rows[table]] for table in rows} == {
        "evaluations": ["Evaluation"],
        "models": ["Model"],
        "datasets": ["Dataset"],
        "scorers": ["Scorer"],
    }


def test_what_is_known_is_not_looked_for() -> None:
    ref = "weave:///acme/support/object/atlas:m1"
    client = Weave([])
    read_objects(client, Cursor(), WantedRefs(models=frozenset({ref}), known=frozenset({ref})))
    assert len(client.asked) == 1


def test_what_weave_does_not_know_is_left_out_with_a_warning() -> None:
    ref = "weave:///acme/support/object/atlas:m1"
    read = read_objects(Weave([]), Cursor(), WantedRefs(models=frozenset({ref, "no ref", "weave:///a/b/call/c"})))
    assert read.rows["models"] == []
    assert read.warnings == [f"objects: 1 named versions are left out, being unknown to Weave: {ref}"]


@pytest.mark.parametrize(
    ("told", "deleted_at"),
    [
        ("2026-11-23 13:36:35.206742+00:00", datetime(2026, 11, 23, 13, 36, 35, 206742, tzinfo=timezone.utc)),
        ("2026-11-23T13:36:35Z", datetime(2026, 11, 23, 13, 36, 35, tzinfo=timezone.utc)),
        ("2026-11-24 01:02:03.", datetime(2026, 11, 24, 1, 2, 3, tzinfo=timezone.utc)),
        ("some time", None),
    ],
)
def test_a_deleted_version_says_when(told: str, deleted_at: datetime | None) -> None:
    ref = "weave:///acme/support/object/atlas:m1"
    client = Weave([], f"atlas:v0 was deleted at {told}")
    read = read_objects(client, Cursor(), WantedRefs(models=frozenset({ref})))
    assert [_accepted("models", row)["deleted_at"] for row in read.rows["models"]] == [deleted_at] * bool(deleted_at)


def test_a_changed_text_is_reported() -> None:
    read = read_objects(Weave([_version(val={"name": "geo\0"})]), Cursor(), WantedRefs())
    assert read.warnings == ["objects: 1 texts with NUL or lone surrogates were changed (to U+FFFD)"]


def _client(server: WeaveServer, project: str = PROJECT) -> WeaveClient:
    return WeaveClient(server.url, KEY, project, limiter=RateLimiter(1000))


def _wanted(client: WeaveClient) -> WantedRefs:
    runs = list_runs(client, RunFilter())
    return WantedRefs(
        frozenset(run.evaluation_ref for run in runs if run.evaluation_ref),
        frozenset(run.model_ref for run in runs if run.model_ref),
    )


def _all(project: Project) -> ObjectsRead:
    client = _client(project.server)
    return read_objects(client, Cursor(), _wanted(client))


def _counts(read: ObjectsRead) -> dict[str, int]:
    return {table: len(rows) for table, rows in read.rows.items()}


def _refs(read: ObjectsRead, table: str) -> set[str]:
    return {row["ref"] for row in read.rows[table]}


def test_every_ref_of_every_run_has_a_row(sdk_project: Project) -> None:
    read = _all(sdk_project)
    wanted = _wanted(_client(sdk_project.server))
    assert wanted.models <= _refs(read, "models")
    assert wanted.evaluations <= _refs(read, "evaluations")
    evaluations = [_accepted("evaluations", row) for row in read.rows["evaluations"]]
    assert {row["dataset_ref"] for row in evaluations} <= _refs(read, "datasets")
    assert {ref for row in evaluations for ref in json.loads(row["scorer_refs"] or b"[]")} <= _refs(read, "scorers")
    assert read.warnings == []
    assert {row["kind"] for row in (_accepted("models", row) for row in read.rows["models"])} == {"object", "op"}


def test_rows_of_a_project_that_the_sdk_filled(sdk_project: Project) -> None:
    rows = {table: [_accepted(table, row) for row in rows] for table, rows in _all(sdk_project).rows.items()}
    (tickets,) = [row for row in rows["datasets"] if row["object_id"] == "tickets"]
    assert (tickets["name"], tickets["description"], tickets["version_index"]) == ("tickets", "two tickets", 0)
    (unnamed,) = [row for row in rows["datasets"] if row["object_id"] == "Dataset"]
    assert unnamed["name"] == "Dataset"
    (evaluation,) = [row for row in rows["evaluations"] if row["object_id"] == "class_model-evaluation"]
    assert (evaluation["trials"], evaluation["user_id"]) == (2, "VXNlcjoxMjM0NTY=")
    (atlas,) = [row for row in rows["models"] if row["object_id"] == "atlas"]
    assert json.loads(atlas["definition"])["temperature"] == 0.25
    assert json.loads(atlas["extra"])["leaf_object_class"] == "Atlas"


def test_every_score_of_an_evaluation_is_tied_to_a_scorer(sdk_project: Project) -> None:
    """The name of a score is that of the object or op, not that of its class."""
    read = _all(sdk_project)
    refs = {
        row["ref"]: json.loads(_accepted("evaluations", row)["scorer_refs"] or b"[]")
        for row in read.rows["evaluations"]
    }
    for name, expected in {"class_model": {"exact", "judge", "length"}, "v2": {"politeness", "resolved"}}.items():
        (run,) = sdk_project.server.calls(PROJECT, call_ids=[sdk_project.ids[name]])
        body = {"evaluation_call_ids": [run["id"]], "include_summary": True}
        answer = sdk_project.server.api("POST", f"/v2/{PROJECT}/eval_results/query", body).json()
        names = {stat["scorer_key"] for part in answer["summary"]["evaluations"] for stat in part["scorer_stats"]}
        assert names == expected
        tied = {scorer_ref_named(scorer, refs[run["inputs"]["self"]]) for scorer in names}
        assert len(tied) == len(names)
        assert tied <= _refs(read, "scorers")


def test_a_project_costs_few_requests_and_an_unchanged_one_costs_one(sdk_project: Project) -> None:
    client = _client(sdk_project.server)
    wanted = _wanted(client)
    sdk_project.server.clear_requests()
    first = read_objects(client, Cursor(), wanted)
    assert [request["path"] for request in sdk_project.server.requests()] == ["/objs/query", "/objs/query"]
    sdk_project.server.clear_requests()
    second = read_objects(client, first.cursor, WantedRefs())
    assert len(sdk_project.server.requests()) == 1
    assert (_counts(second), second.cursor) == (NOTHING, first.cursor)


def _create(server: WeaveServer, object_id: str, val: Any, project: str = PROJECT) -> str:
    body = {"obj": {"project_id": project, "object_id": object_id, "val": val}}
    answer = server.api("POST", "/obj/create", body)
    answer.raise_for_status()
    return f"weave:///{project}/object/{object_id}:{answer.json()['digest']}"


def _object_of(base: str, **fields: Any) -> dict[str, Any]:
    bases = [base, "Object", "BaseModel"] if base else ["Object", "BaseModel"]
    return {"_type": f"My{base}", "_class_name": f"My{base}", "_bases": bases, **fields}


def test_new_versions_are_found_with_what_they_name(sdk_project: Project) -> None:
    server = sdk_project.server
    first = _all(sdk_project)
    (length,) = [ref for ref in _refs(first, "scorers") if "/op/length:" in ref]
    evaluation = _create(server, "class_model-evaluation", _object_of("Evaluation", scorers=[length], trials=9))
    second = read_objects(_client(server), first.cursor, WantedRefs())
    assert [row["ref"] for row in second.rows["evaluations"]] == [evaluation]
    assert _accepted("evaluations", second.rows["evaluations"][0])["version_index"] == 1
    assert [row["ref"] for row in second.rows["scorers"]] == [length]
    assert _counts(second) == {**NOTHING, "evaluations": 1, "scorers": 1}


def test_objects_of_other_classes_serve_as_models_and_scorers(server: WeaveServer) -> None:
    model = _create(server, "settings", _object_of("", temperature=0.75))
    scorer = _create(server, "rubric", _object_of("", lines=["a"]))
    evaluation = _create(server, "odd", _object_of("Evaluation", scorers=[scorer]))
    read = read_objects(_client(server), Cursor(), WantedRefs(frozenset({evaluation}), frozenset({model})))
    assert (_refs(read, "models"), _refs(read, "scorers")) == ({model}, {scorer})


def test_objects_of_another_project_are_read_if_the_key_may(server: WeaveServer) -> None:
    there = _create(server, "shared", _object_of("Model"), "acme/elsewhere")
    secret = "weave:///forbidden-team/x/object/secret:5ec"
    private = "weave-private://///object/hidden:0f0"
    read = read_objects(_client(server), Cursor(), WantedRefs(models=frozenset({there, secret, private})))
    assert _refs(read, "models") == {there}
    (warning,) = read.warnings
    assert "2 named versions are left out, being in a project that this API key cannot read" in warning
    assert secret in warning
    assert private in warning


def test_a_ref_into_an_object_stands_for_the_object(server: WeaveServer) -> None:
    model = _create(server, "settings", _object_of("Model"))
    read = read_objects(_client(server), Cursor(), WantedRefs(models=frozenset({f"{model}/attr/inner"})))
    assert (_refs(read, "models"), read.warnings) == ({model}, [])


def test_a_deleted_model_keeps_a_row_that_says_so(sdk_project: Project) -> None:
    server = sdk_project.server
    (atlas,) = [ref for ref in _refs(_all(sdk_project), "models") if "/atlas:" in ref]
    server.api("POST", "/obj/delete", {"project_id": PROJECT, "object_id": "atlas"}).raise_for_status()
    read = _all(sdk_project)
    (row,) = [row for row in (_accepted("models", row) for row in read.rows["models"]) if row["ref"] == atlas]
    assert row["deleted_at"] > datetime.now(timezone.utc) - timedelta(minutes=5)
    assert (row["object_id"], row["name"], row["kind"], row["definition"]) == ("atlas", "atlas", "object", None)
    assert read.warnings == []


def test_an_empty_project_has_nothing(server: WeaveServer) -> None:
    read = read_objects(_client(server), Cursor(), WantedRefs())
    assert (_counts(read), read.cursor, read.warnings) == (NOTHING, Cursor(), [])


@pytest.mark.slow
def test_the_newest_server_answers_alike() -> None:
    with WeaveServer.start("0.53.12") as server:
        project = Project(server, PROJECT, server.seed("rest", PROJECT) | server.seed("crash", PROJECT))
        read = _all(project)
        assert _counts(read) == {"evaluations": 2, "models": 2, "datasets": 2, "scorers": 3}
        assert _counts(read_objects(_client(server), read.cursor, WantedRefs())) == NOTHING
