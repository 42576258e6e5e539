"""Privacy rules in a load: what they block is in no table, file, state, log or message that the load leaves."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.loads import Place, days_ago
from tests.tables_of import Tables
from tests.weave_server import damage
from tests.weave_server.process import WeaveServer
from weave_eval.errors import SettingsError

PROJECT = "acme/support-bot"
HASH_KEY = "a-secret-key-of-more-than-16-characters"
MARKERS = {
    "inputs": "QJXINPUTS",
    "output": "QJXOUTPUT",
    "score": "QJXSCORES",
    "listed": "QJXLISTED",
    "error": "QJXERRORS",
    "run error": "QJXRUNERR",
    "metrics": "QJXMETRIC",
    "attributes": "QJXATTRIB",
    "note": "QJXNOTES1",
    "prompt": "QJXPROMPT",
}
DROPS = [
    "drop dataset_rows.inputs", "drop trials.output", "drop scores.value_text", "drop scores.value_json",
    "drop trials.error", "drop evaluation_runs.error", "drop evaluation_runs.output", "drop evaluation_runs.attributes",
    "drop feedback.payload", "drop models.definition", "drop predictions.inputs", "drop predictions.output",
]  # fmt: skip
HASHES = [rule.replace("drop ", "hash ") for rule in DROPS]
TRUNCATES = [f"{rule.replace('drop ', 'truncate ')} 5" for rule in DROPS]
RULES = {"preset": ["preset no-content"], "drop": DROPS, "hash": HASHES, "truncate": TRUNCATES}


def fill(server: WeaveServer) -> str:
    """A run that says a word of its own in each place where content can be."""
    (run_id,) = server.bulk(PROJECT, rows=1, scorers=0, start=days_ago(1), is_sdk_style=False)
    run = server.calls(PROJECT, call_ids=[run_id])[0]
    for seat in (1, 2):
        add_trial(server, run, {"question": f"{MARKERS['inputs']} whatever the seat", "seat": seat})
    made = damage.trial_ids(server, PROJECT, run_id)
    server.patch_call(PROJECT, made[1], exception=f"ValueError: {MARKERS['error']} in a traceback")
    attributes = {**run["attributes"], "suite": MARKERS["attributes"]}
    metrics = {"summary": MARKERS["metrics"]}
    server.patch_call(PROJECT, run_id, exception=f"{MARKERS['run error']}!", output=metrics, attributes=attributes)
    note = {
        "project_id": PROJECT,
        "weave_ref": f"weave:///{PROJECT}/call/{run_id}",
        "feedback_type": "wandb.note.1",
        "payload": {"note": MARKERS["note"]},
    }
    server.api("POST", "/feedback/create", note).raise_for_status()
    model = {"name": "prompted", "source_code": "class M: ...", "attributes": {"system_prompt": MARKERS["prompt"]}}
    server.api("POST", f"/v2/{PROJECT}/models", model).raise_for_status()
    return run_id


def add_trial(server: WeaveServer, run: dict[str, Any], inputs: dict[str, Any]) -> None:
    """A prediction with a long output, and two scores of a text and a list, stored with the trial."""
    body = {
        "model": run["inputs"]["model"],
        "inputs": inputs,
        "output": {"answer": f"{MARKERS['output']} and more"},
        "evaluation_run_id": run["id"],
    }
    made = server.api("POST", f"/v2/{PROJECT}/predictions", body)
    made.raise_for_status()
    server.api("POST", f"/v2/{PROJECT}/predictions/{made.json()['prediction_id']}/finish", {}).raise_for_status()
    (prediction,) = server.calls(PROJECT, call_ids=[made.json()["prediction_id"]])
    (trial,) = server.calls(PROJECT, call_ids=[prediction["parent_id"]])
    scores = {"judge": {"why": f"{MARKERS['score']} is fair", "quotes": [MARKERS["listed"], 7], "fine": True}}
    server.patch_call(PROJECT, trial["id"], output={**trial["output"], "scores": scores})


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The text of every package file at the moment it is written: dlt deletes them once they are loaded."""
    found: list[str] = []
    write = pq.write_table

    def keep(table: pa.Table, path: Path, **options: Any) -> None:
        write(table, path, **options)
        found.append(str(pq.read_table(path).to_pydict()))

    monkeypatch.setattr("weave_eval.loading.package_files.pq.write_table", keep)
    return found


def words_in(text: str | bytes, *, length: int = 9) -> set[str]:
    """The places whose word occurs in the text; of `length` characters of it."""
    content = text if isinstance(text, bytes) else text.encode()
    return {place for place, word in MARKERS.items() if word[:length].encode() in content}


def test_without_rules_every_word_is_found(server: WeaveServer, tmp_path: Path, seen: list[str]) -> None:
    fill(server)
    place = Place(server, PROJECT, tmp_path)
    place.load(with_predictions=True)
    assert words_in(str(place.tables())) == set(MARKERS)
    assert words_in(str(seen)) == set(MARKERS)


@pytest.fixture
def printed(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], str]]:
    """All that was logged, at any level, or printed."""
    with caplog.at_level(logging.DEBUG):
        yield lambda: "".join(capfd.readouterr()) + caplog.text


@pytest.mark.parametrize(
    "name", ["preset", *(pytest.param(name, marks=pytest.mark.slow) for name in ("drop", "hash", "truncate"))]
)
def test_what_is_blocked_is_nowhere(
    server: WeaveServer, tmp_path: Path, seen: list[str], printed: Callable[[], str], name: str
) -> None:
    run_id = fill(server)
    place = Place(server, PROJECT, tmp_path)
    result = place.load(privacy=RULES[name], privacy_key=HASH_KEY, with_predictions=True)
    assert {"trials", "scores", "dataset_rows", "feedback", "models", "predictions"} <= result.report.rows.keys()
    length = 6 if name == "truncate" else 9
    assert words_in(str(place.tables()), length=length) == set()
    assert words_in(str(seen), length=length) == set()
    assert len(seen) > 8
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert words_in(path.read_bytes()) == set(), path
            assert HASH_KEY.encode() not in path.read_bytes(), path
    told = printed() + json.dumps(result.as_dict())
    assert words_in(told) == set()
    assert HASH_KEY not in told
    assert_whole(place.tables(), run_id)


def assert_whole(tables: Tables, run_id: str) -> None:
    """Everything but the content is there, and proven."""
    assert [(row["run_id"], row["is_reconciled"]) for row in tables["reconciliations"]] == [(run_id, True)]
    leaves = {(row["scorer_name"], row["path"]): row["value_type"] for row in tables["scores"]}
    assert leaves == {("judge", "why"): "text", ("judge", "quotes"): "json", ("judge", "fine"): "binary"}
    assert {row["value_bool"] for row in tables["scores"] if row["path"] == "fine"} == {True}
    assert len(tables["trials"]) == 3


def test_rules_bind_the_rebuilt_trials_too(
    server: WeaveServer, tmp_path: Path, seen: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trials that Weave fails on are made from their calls, with raw scores in `extra`."""
    monkeypatch.setattr("weave_eval.api.retries._FEW_ATTEMPTS", 1)
    run_id = fill(server)
    trial_id = damage.trial_ids(server, PROJECT, run_id)[0]
    damage.poison(server, PROJECT, trial_id, [MARKERS["listed"], MARKERS["score"]])
    place = Place(server, PROJECT, tmp_path)
    result = place.load(privacy=["preset no-content"], page_rows=2)
    assert len(place.tables()["trials"]) == 3
    assert words_in(str(place.tables()) + str(seen) + json.dumps(result.as_dict())) == set()
    for path in tmp_path.rglob("*"):
        assert words_in(path.read_bytes() if path.is_file() else b"") == set(), path


@pytest.mark.slow
def test_marking_a_deleted_run_brings_nothing_back(server: WeaveServer, tmp_path: Path, seen: list[str]) -> None:
    run_id = fill(server)
    place = Place(server, PROJECT, tmp_path)
    place.load(privacy=["preset no-content"])
    body = {"project_id": PROJECT, "call_ids": [run_id]}
    server.api("POST", "/calls/delete", body).raise_for_status()
    place.load(privacy=["preset no-content"])
    (run,) = place.tables()["evaluation_runs"]
    assert run["deleted_at"] is not None
    assert words_in(str(place.tables()) + str(seen)) == set()


def test_hashing_a_deleted_run_again_changes_nothing(server: WeaveServer, tmp_path: Path) -> None:
    """Its row comes from the warehouse, where it is hashed already."""
    run_id = fill(server)
    place = Place(server, PROJECT, tmp_path)
    place.load(privacy=HASHES, privacy_key=HASH_KEY)
    (before,) = place.tables()["evaluation_runs"]
    body = {"project_id": PROJECT, "call_ids": [run_id]}
    server.api("POST", "/calls/delete", body).raise_for_status()
    place.load(privacy=HASHES, privacy_key=HASH_KEY)
    (after,) = place.tables()["evaluation_runs"]
    assert {name for name in before if before[name] != after[name]} == {"deleted_at", "_dlt_load_id"}


@pytest.mark.slow
def test_equal_values_have_equal_hashes(server: WeaveServer, tmp_path: Path) -> None:
    fill(server)
    place = Place(server, PROJECT, tmp_path)
    rules = ["hash trials.output.answer", "hash scores.value_text", "hash dataset_rows.inputs.question"]
    place.load(privacy=rules, privacy_key=HASH_KEY)
    first = place.tables()
    hashes = {row["output"]["answer"] for row in first["trials"] if MARKERS["output"][:3] not in str(row["output"])}
    questions = [row["inputs"]["question"] for row in first["dataset_rows"] if "seat" in row["inputs"]]
    assert (len(questions), len(set(questions)), len(questions[0])) == (2, 1, 64)
    assert len({row["value_text"] for row in first["scores"] if row["path"] == "why"}) == 1
    assert all(len(each) == 64 for each in hashes)
    assert len(hashes) == 2
    place.load(privacy=rules, privacy_key=HASH_KEY, is_full=True)
    assert place.tables()["dataset_rows"] == [
        {**row, "_dlt_load_id": new["_dlt_load_id"]}
        for row, new in zip(first["dataset_rows"], place.tables()["dataset_rows"], strict=True)
    ]


def test_rules_in_the_configuration(server: WeaveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(server)
    monkeypatch.setenv("SOURCES__WEAVE_EVAL__PRIVACY", '["preset no-content"]')
    place = Place(server, PROJECT, tmp_path)
    place.load()
    assert words_in(str(place.tables())) == set()


def test_a_rule_that_cannot_be_used_stops_the_load_before_it_starts(server: WeaveServer, tmp_path: Path) -> None:
    fill(server)
    server.clear_requests()
    with pytest.raises(SettingsError, match="no-such-column"):
        Place(server, PROJECT, tmp_path).load(privacy=["drop trials.no-such-column"])
    assert server.requests() == []
