from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest

from weave_eval.api.client import WeaveClient
from weave_eval.api.limiter import RateLimiter
from weave_eval.errors import NotFoundError, TerminalApiError, TransientApiError, UnreadableBodyError
from weave_eval.reading.discovery import PAGE, list_runs, list_v2_run_ids, read_v2_run
from weave_eval.weave.run_filter import RunFilter


class Weave(WeaveClient):
    """Answers with pages of the given lines and remembers what was asked."""

    def __init__(self, lines: list[dict[str, Any]], project: str = "acme/support"):
        super().__init__("http://127.0.0.1", "key", project, limiter=RateLimiter(1000))
        self.lines = lines
        self.asked: list[Any] = []

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
        if path == "/calls/query_stats":
            self.asked.append(path)
            return parse(json.dumps({"count": len({line["id"] for line in self.lines})}).encode())
        assert path == "/calls/stream_query"
        self.asked.append(body)
        return parse(self._page(body["offset"], body["limit"], _latest_start(body)))

    def get(
        self,
        path: str,
        parse: Callable[[bytes], Any],
        *,
        purpose: str,
        params: list[tuple[str, str]] | None = None,
    ) -> Any:
        assert purpose
        self.asked.append((path, params))
        if params is None:
            if not self.lines:
                raise NotFoundError("not found", 404)
            return parse(json.dumps(self.lines[0]).encode())
        asked = dict(params)
        return parse(self._page(int(asked["offset"]), int(asked["limit"])))

    def _page(self, offset: int, limit: int, latest: str = "") -> bytes:
        lines = [line for line in self.lines if not latest or line["started_at"] <= latest]
        return b"".join(json.dumps(line).encode() + b"\n" for line in lines[offset : offset + limit])


def _latest_start(body: dict[str, Any]) -> str:
    """The latest start of the runs that a page is asked for, if it is bound."""
    bound = (body.get("query") or {}).get("$expr", {}).get("$not", [{}])[0].get("$gt")
    return str(bound[1]["$literal"]) if bound else ""


def _line(run_id: str, ended_at: str | None = "2026-11-23T13:00:00Z", minute: int = 0) -> dict[str, Any]:
    return {"id": run_id, "op_name": "op", "started_at": f"2026-11-23T12:{minute:02}:00Z", "ended_at": ended_at}


def _ask(wanted: RunFilter, **options: Any) -> dict[str, Any]:
    client = Weave([])
    list_runs(client, wanted, **options)
    body: dict[str, Any] = client.asked[0]
    return body


def _utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=timezone.utc)  # type: ignore[misc,arg-type]


def test_all_runs_of_the_project_are_asked_for_page_by_page() -> None:
    body = _ask(RunFilter())
    assert body.pop("columns")[:3] == ["id", "trace_id", "parent_id"]
    assert body == {
        "project_id": "acme/support",
        "filter": {
            "op_names": [
                "weave:///acme/support/op/Evaluation.evaluate:*",
                "weave:///acme/support/op/Evaluation-evaluate:*",
            ]
        },
        "sort_by": [{"field": "started_at", "direction": "desc"}],
        "limit": PAGE,
        "offset": 0,
    }


def test_other_ops_can_be_evaluations_too() -> None:
    body = _ask(RunFilter(), ops=("Mine.evaluate", "Evaluation.evaluate"))
    assert body["filter"]["op_names"] == [
        "weave:///acme/support/op/Mine.evaluate:*",
        "weave:///acme/support/op/Evaluation.evaluate:*",
    ]


def test_run_ids_are_filtered_by_the_server() -> None:
    assert _ask(RunFilter(run_ids=("run-1", "run-2")))["filter"]["call_ids"] == ["run-1", "run-2"]


STARTED = {"$getField": "started_at"}
SINCE = {"$gte": [STARTED, {"$literal": "2026-11-01T02:03:04.000005Z"}]}
UNTIL = {"$not": [{"$gte": [STARTED, {"$literal": "2026-11-06T00:00:00Z"}]}]}


def test_the_start_is_included_and_the_end_is_not() -> None:
    since, until = _utc(2026, 11, 1, 2, 3, 4, 5), _utc(2026, 11, 6)
    assert _ask(RunFilter(since=since))["query"] == {"$expr": SINCE}
    assert _ask(RunFilter(until=until))["query"] == {"$expr": UNTIL}
    assert _ask(RunFilter(since=since, until=until))["query"] == {"$expr": {"$and": [SINCE, UNTIL]}}


def _contains(field: str, part: str) -> dict[str, Any]:
    return {"$contains": {"input": {"$getField": field}, "substr": {"$literal": part}}}


def _equal(field: str, value: str) -> dict[str, Any]:
    return {"$eq": [{"$getField": field}, {"$literal": value}]}


def _named(field: str, name: str, quoted: str) -> list[dict[str, Any]]:
    return [_contains(field, f"/{quoted}:"), _equal(field, name), _equal(f"{field}.name", name)]


def test_evaluations_and_models_are_found_by_name_or_ref() -> None:
    ref = "weave:///acme/support/object/atlas:d1"
    query = _ask(RunFilter(evaluations=("geo quiz",), models=(ref, "atlas")))["query"]["$expr"]
    evaluations, models = query["$and"]
    assert evaluations == {
        "$or": [*_named("inputs.self", "geo quiz", "geo%20quiz"), *_named("inputs.this", "geo quiz", "geo%20quiz")]
    }
    assert models == {"$or": [_equal("inputs.model", ref), *_named("inputs.model", "atlas", "atlas")]}


def test_an_empty_project_has_no_runs_and_none_are_counted() -> None:
    client = Weave([])
    assert list_runs(client, RunFilter()) == []
    assert client.asked[1:] == ["/calls/query_stats"]


def _small_pages(monkeypatch: pytest.MonkeyPatch, size: int = 3) -> None:
    monkeypatch.setattr("weave_eval.reading.discovery.PAGE", size)


def test_more_runs_than_a_page_holds_are_all_listed_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    _small_pages(monkeypatch)
    client = Weave([_line(f"run-{minute}", minute=minute) for minute in reversed(range(8))])
    assert [run.run_id for run in list_runs(client, RunFilter())] == [f"run-{n}" for n in reversed(range(8))]
    asked = [(_latest_start(body)[14:16], body["offset"]) for body in client.asked[:-1]]
    assert asked == [("", 0), ("05", 0), ("03", 0), ("01", 0)]
    assert client.asked[-1] == "/calls/query_stats"


def test_more_runs_than_a_page_holds_can_start_at_the_same_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    _small_pages(monkeypatch)
    client = Weave([_line(f"run-{number}") for number in range(10)] + [_line("earlier")])
    client.lines[-1]["started_at"] = "2026-11-23T11:00:00Z"
    assert len(list_runs(client, RunFilter())) == 11
    assert [body["offset"] for body in client.asked[:-1]] == [0, 0, 3, 6, 9]


def test_the_rest_of_a_list_is_asked_for_with_all_that_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    _small_pages(monkeypatch, 2)
    client = Weave([_line("b", minute=2), _line("a", minute=1)])
    list_runs(client, RunFilter(since=_utc(2026, 11, 1, 2, 3, 4, 5)))
    bound = {"$not": [{"$gt": [STARTED, {"$literal": "2026-11-23T12:01:00Z"}]}]}
    assert client.asked[1]["query"] == {"$expr": {"$and": [SINCE, bound]}}


def test_ids_that_are_known_save_the_request_that_proves_the_end() -> None:
    client = Weave([_line("known-1"), _line("known-2")])
    list_runs(client, RunFilter(), known=["known-1", "known-2"])
    assert len(client.asked) == 1


@pytest.mark.parametrize("known", [["known-1", "deleted"], ["known-1"]])
def test_a_list_of_others_than_those_that_are_known_is_counted(known: list[str]) -> None:
    client = Weave([_line("known-1"), _line("new")])
    list_runs(client, RunFilter(), known=known)
    assert client.asked[1:] == ["/calls/query_stats"]


class Cut(Weave):
    """Its first `times` answers end early, after `kept` lines, without a sign."""

    kept = 2
    times = 1

    def _page(self, offset: int, limit: int, latest: str = "") -> bytes:
        is_cut, self.times = self.times > 0, self.times - 1
        return super()._page(offset, self.kept if is_cut else limit, latest)


@pytest.mark.parametrize("kept", [0, 2, 4])
@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("known", [(), ("run-4",)])
def test_a_list_that_ends_early_is_read_on(known: tuple[str, ...], times: int, kept: int) -> None:
    client = Cut([_line(f"run-{number}") for number in range(5)])
    client.kept, client.times = kept, times
    assert len(list_runs(client, RunFilter(), known)) == 5


def test_a_list_that_ends_after_all_known_runs_but_before_others_is_read_on() -> None:
    client = Cut([_line("new", minute=3), _line("known", minute=2), _line("late", minute=1)])
    assert [run.run_id for run in list_runs(client, RunFilter(), ["known"])] == ["new", "known", "late"]


def test_a_list_that_ends_early_for_ever_is_an_error() -> None:
    client = Cut([_line(f"run-{number}") for number in range(5)])
    client.kept, client.times = 0, 100
    with pytest.raises(
        TransientApiError, match=r"listing the evaluation runs of acme/support .* ended early .* 0 of 5"
    ):
        list_runs(client, RunFilter())


class Changing(Weave):
    """Its runs change once a first page was read."""

    def change(self) -> None:
        """What happens then."""

    def _page(self, offset: int, limit: int, latest: str = "") -> bytes:
        page = super()._page(offset, limit, latest)
        if not latest:
            self.change()
        return page


@pytest.mark.parametrize("known", [(), ("run-1", "run-2"), tuple(f"run-{number}" for number in range(7))])
@pytest.mark.parametrize("deleted", [1, 2, 3])
def test_runs_that_are_deleted_while_the_list_is_read_push_none_out_of_it(
    deleted: int, known: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Shrinking(Changing):
        def change(self) -> None:
            del self.lines[:deleted]

    _small_pages(monkeypatch)
    found = list_runs(
        Shrinking([_line(f"run-{9 - minute}", minute=minute) for minute in range(9, 2, -1)]), RunFilter(), known
    )
    assert {run.run_id for run in found} == {f"run-{number}" for number in range(7)}


def test_a_run_that_starts_while_the_list_is_read_pushes_none_out_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Growing(Changing):
        def change(self) -> None:
            self.lines.insert(0, _line("newest", minute=30))

    _small_pages(monkeypatch, 2)
    found = list_runs(Growing([_line(f"run-{minute}", minute=minute) for minute in range(5, 0, -1)]), RunFilter())
    assert {f"run-{minute}" for minute in range(1, 6)} <= {run.run_id for run in found}


def test_a_run_that_comes_twice_is_kept_once_with_its_end() -> None:
    client = Weave([_line("a", None), _line("a"), _line("b"), _line("b", None), _line("c", None), _line("c", None)])
    runs = list_runs(client, RunFilter())
    assert [(run.run_id, run.is_open) for run in runs] == [("a", False), ("b", False), ("c", True)]


@pytest.mark.parametrize(
    "line", [{}, {"id": "a"}, {"id": "a", "started_at": "soon"}, {"id": "a", "started_at": None}, [], None, 3, "x"]
)
def test_a_line_that_is_no_call_is_unreadable(line: Any) -> None:
    with pytest.raises(UnreadableBodyError):
        list_runs(Weave([line]), RunFilter())


@pytest.mark.parametrize("field", ["inputs", "attributes", "summary", "output"])
@pytest.mark.parametrize("value", [None, {}, [], ["list"], "text", 5, {"_weave": {"error": "<EXCEEDS_LIMITS>"}}])
def test_a_call_with_odd_fields_is_still_a_run(field: str, value: Any) -> None:
    assert [run.run_id for run in list_runs(Weave([{**_line("a"), field: value}]), RunFilter())] == ["a"]


def test_v2_runs_are_listed_page_by_page_each_once() -> None:
    ids = [f"run-{number}" for number in range(PAGE + 1)]
    client = Weave([{"evaluation_run_id": run_id} for run_id in [*ids, "run-0"]])
    assert list_v2_run_ids(client) == ids
    assert [path for path, _ in client.asked] == ["/v2/acme/support/evaluation_runs"] * 3
    offsets = [dict(params)["offset"] for _, params in client.asked]
    assert offsets == ["0", str(PAGE), str(PAGE + 2)]


def test_names_of_projects_and_runs_are_quoted_in_paths() -> None:
    read = {"evaluation_run_id": "a/b", "evaluation": "weave:///x", "model": "m", "source_evaluation_run_id": "s"}
    client = Weave([read], project="acme/my project")
    assert read_v2_run(client, "a/b").source_evaluation_run_id == "s"
    assert client.asked == [("/v2/acme/my%20project/evaluation_runs/a%2Fb", None)]


def test_a_run_that_is_not_there_is_named() -> None:
    with pytest.raises(NotFoundError, match=r"acme/support has no evaluation run run-7: it was deleted, or the id"):
        read_v2_run(Weave([]), "run-7")


def test_a_call_that_is_no_evaluation_is_named() -> None:
    client = Weave([{"evaluation_run_id": "call-8", "evaluation": "", "model": "", "status": "completed"}])
    with pytest.raises(TerminalApiError, match=r"call call-8 of acme/support is not an evaluation run"):
        read_v2_run(client, "call-8")
