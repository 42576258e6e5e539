"""Projects whose loads make requests of every kind, and what an extraction of them gives."""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa

from tests.faults.canaries import INPUT, KEY
from tests.faults.proxy import FaultyProxy
from tests.loads import LiveRun, days_ago
from tests.tables_of import OF_THE_LOAD, Tables, lasting
from tests.weave_server import damage
from tests.weave_server.process import WeaveServer
from weave_eval import resolve_settings
from weave_eval.api.client import WeaveClient
from weave_eval.api.limiter import RateLimiter
from weave_eval.api.retries import Patience
from weave_eval.loading.context import LoadContext
from weave_eval.loading.extraction import Extraction, SpoiledPackageError
from weave_eval.loading.package_files import Package, TableItem
from weave_eval.state.decisions import ProjectState, Seen, dump_state
from weave_eval.tables import TABLES_BY_NAME

PLAIN, POISONED, V2 = "acme/plain", "acme/poisoned", "acme/rest"
KINDS = {
    PLAIN: (
        "listing", "count", "trial calls", "page", "summary", "object listing", "named objects", "object", "feedback",
        "feedback calls", "feedback rows", "predictions", "single run",
    ),
    POISONED: ("poisoned trials", "refs"),
    V2: ("v2 listing",),
}  # fmt: skip
"""The kinds of requests that are spoiled in the load of each project."""

BLOCKED = ["drop dataset_rows.inputs.secret", "drop predictions.inputs.secret"]
"""The privacy rules under which projects are loaded: one of them has such an input."""

READ_TIMEOUT = 0.15
GONE = "0193a0c1-0000-7000-8000-00000000dead"


def fill(server: WeaveServer) -> None:
    """Writes the three projects."""
    _fill_plain(server)
    (run_id, _) = server.bulk(POISONED, runs=2, rows=3, scorers=1, start=days_ago(1), name="poisoned")
    scores = server.api("POST", "/obj/create", {"obj": _object(POISONED, "large-scores", {"poisoned_scorer_0": True})})
    ref = f"weave:///{POISONED}/object/large-scores:{scores.json()['digest']}"
    damage.poison(server, POISONED, damage.trial_ids(server, POISONED, run_id)[1], ref)
    LiveRun.start(server, V2, "rest").add_trial({"seat": 4}, "window")
    server.bulk(V2, rows=2, start=days_ago(1))
    server.bulk(V2, rows=2, start=days_ago(2), is_sdk_style=False, name="v2")


def _fill_plain(server: WeaveServer) -> None:
    run_id, other = server.bulk(PLAIN, runs=2, rows=3, trials=2, scorers=2, start=days_ago(2), name="helpdesk")
    (small,) = server.bulk(PLAIN, rows=2, trials=1, scorers=1, start=days_ago(1), name="small")
    elsewhere = {"name": "shared-model", "source_code": "class Shared: ..."}
    model = server.api("POST", "/v2/acme/models/models", elsewhere).json()["model_ref"]
    (call,) = server.calls(PLAIN, call_ids=[other])
    server.patch_call(PLAIN, other, inputs={**call["inputs"], "model": model})
    ops = server.api("POST", "/objs/query", {"project_id": PLAIN, "filter": {"is_op": True}}).json()["objs"]
    (call,) = server.calls(PLAIN, call_ids=[small])
    function = f"weave:///{PLAIN}/op/{ops[0]['object_id']}:{ops[0]['digest']}"
    server.patch_call(PLAIN, small, inputs={**call["inputs"], "model": function})
    first, second = damage.trial_ids(server, PLAIN, run_id)[:2]
    server.patch_call(PLAIN, second, exception="TimeoutError: no answer")
    (child, *_) = server.calls(PLAIN, parent_ids=[second])
    for call_id, note in ((first, "good"), (child["id"], "odd"), (run_id, "whole")):
        _give_feedback(server, call_id, note)
    live = LiveRun.start(server, PLAIN)
    live.add_trial({"seat": 1, "secret": INPUT}, "window")
    live.add_trial({"seat": 2}, "aisle")


def _give_feedback(server: WeaveServer, call_id: str, note: str) -> None:
    body = {
        "project_id": PLAIN,
        "weave_ref": f"weave:///{PLAIN}/call/{call_id}",
        "feedback_type": "wandb.note.1",
        "payload": {"note": note},
    }
    server.api("POST", "/feedback/create", body).raise_for_status()


def _object(project: str, name: str, value: Any) -> dict[str, Any]:
    return {"project_id": project, "object_id": name, "val": value}


def remembered(project: str) -> dict[str, Any]:
    """A saved state in which a run is known that Weave no longer has."""
    seen = Seen(datetime(2026, 1, 2, tzinfo=timezone.utc), "mark")
    return {"projects": {project: dump_state(ProjectState(closed_runs={GONE: seen}))}}


@dataclass
class Extracted:
    """What an extraction gave: rows by table, warnings, and the state that it leaves."""

    tables: Tables
    saved: dict[str, Any]
    warnings: list[str] = field(default_factory=list)
    unread: dict[str, str] = field(default_factory=dict)


def _items(extraction: Extraction, saved: dict[str, Any], package: Package) -> list[TableItem]:
    """The items of the package; those of a package that was spoiled are asked for again, as loads do."""
    with suppress(SpoiledPackageError):
        return list(extraction.items(saved, package))
    return list(extraction.items(saved, package))


def extract(proxy: FaultyProxy, project: str, folder: Path) -> Extracted:
    """Extracts a project through the proxy as a first load does, with little patience."""
    settings = resolve_settings(
        project=project, api_key=KEY, base_url=proxy.url, with_predictions=project == PLAIN, deleted_runs="remove",
        only_v2_runs=project == V2, page_rows=2, privacy=BLOCKED,
    )  # fmt: skip
    limiter = RateLimiter(1_000_000, sleep=lambda _: None)
    patience = Patience(0.5, READ_TIMEOUT, response_timeout=2.0, retry_budget=5.0, max_attempts=6)
    client = WeaveClient(proxy.url, KEY, project, limiter=limiter, patience=patience)
    extraction = Extraction(LoadContext(settings, client))
    saved = remembered(project) if project == PLAIN else {}
    package = Package("load-1", frozenset(TABLES_BY_NAME), "arrow", True, folder)
    found: dict[str, list[pa.Table]] = defaultdict(list)
    try:
        for table, item in _items(extraction, saved, package):
            found[table].append(item)
    finally:
        client.close()
    rows = {name: [row for part in parts for row in part.to_pylist()] for name, parts in found.items()}
    report = extraction.report
    return Extracted(lasting(rows, without=OF_THE_LOAD), saved, report.warnings, report.unread)
