"""Privacy rules: what they hide is gone, and all else stays as it was."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from weave_eval.errors import SettingsError
from weave_eval.rows.arrow import record_batch
from weave_eval.rows.columns import Columns, TableRow
from weave_eval.rows.flatten import RunFlattener, RunReading, flatten_run, tombstone
from weave_eval.rows.privacy import Privacy, PrivacyRule, parse_rules
from weave_eval.tables import TABLES, TABLES_BY_NAME, Table
from weave_eval.weave.pages import parse_page
from weave_eval.weave.runs import parse_run
from weave_eval.weave.trials import TrialCall

KEY = "a-secret-key-of-some-length"
BLOCKED = "Ada Lovelace"
NOW = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)

keys = st.sampled_from(["a", "b", "0", "1", "", "with space", "dotted.key", "*", "back\\slash", "Ä🎯", 'quo"te'])
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
documents = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=8
)
paths = st.lists(st.none() | keys, max_size=3)


def rule(action: str, column: str, path: Sequence[str | None] = (), length: int | None = None) -> str:
    """A rule's text; a None in the path is a star."""
    parts = ["*" if key is None else escaped(key) for key in path]
    return f"{action} {'.'.join([column, *parts])}{f' {length}' if length else ''}"


def escaped(key: str) -> str:
    return "".join(f"\\{letter}" if letter in ".*\\" else letter for letter in key)


def row(table: str, **values: Any) -> TableRow:
    """A row in which everything else is null."""
    return dict.fromkeys(TABLES_BY_NAME[table].varying) | values


def after(rules: str | list[str], table: str, given: TableRow, key: str = KEY) -> TableRow:
    """The row after the rules."""
    (found,) = Privacy([rules] if isinstance(rules, str) else rules, key).apply(Columns.of(table, [given])).rows()
    return found


def private(rules: str | list[str], inputs: Any) -> Any:
    """A JSON value after the rules, as `dataset_rows.inputs`; numbers as their text, so that no digit gets lost."""
    text = inputs if isinstance(inputs, bytes) else json.dumps(inputs).encode()
    given = row("dataset_rows", row_digest="digest-1", inputs=text, input_ref="ref-2", is_resolved=True)
    found = after(rules, "dataset_rows", given)
    assert found | {"inputs": text} == given
    return None if found["inputs"] is None else digits(found["inputs"])


def digits(text: bytes | str) -> Any:
    return json.loads(text, parse_float=lambda number: f"#{number}", parse_int=lambda number: f"#{number}")


DROPPED = object()


def changed(value: Any, path: Sequence[str | None], change: Callable[[Any], Any]) -> Any:
    """What a rule makes of a value, done naively on Python values."""
    if not path:
        return change(value)
    if isinstance(value, dict):
        pairs = {k: changed(v, path[1:], change) if path[0] in (None, k) else v for k, v in value.items()}
        return {k: v for k, v in pairs.items() if v is not DROPPED}
    if isinstance(value, list):
        items = [changed(v, path[1:], change) if path[0] in (None, str(i)) else v for i, v in enumerate(value)]
        return [None if v is DROPPED else v for v in items]
    return value


def cut(value: Any, length: int) -> Any:
    if isinstance(value, str):
        return value[:length]
    if isinstance(value, list):
        return [cut(item, length) for item in value]
    return {key: cut(item, length) for key, item in value.items()} if isinstance(value, dict) else value


def hashed(value: Any) -> Any:
    text = (
        value
        if isinstance(value, str)
        else json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    )
    return None if value is None else hmac.new(KEY.encode(), text.encode(), hashlib.sha256).hexdigest()


def expected(value: Any, path: Sequence[str | None], change: Callable[[Any], Any]) -> Any:
    found = changed(value, path, change)
    return None if found is DROPPED else digits(json.dumps(found))


@given(documents, paths)
@example({"a": [{"b": 1}, {"b": 2}]}, ["a", None, "b"])
@example([1, [2]], ["1", "0"])
@example({"dotted.key": {"*": 1, "a": 2}}, ["dotted.key", "*"])
def test_drop(value: Any, path: list[str | None]) -> None:
    assert private(rule("drop", "dataset_rows.inputs", path), value) == expected(value, path, lambda _: DROPPED)


@given(documents, paths)
@example({"a": None}, ["a"])
def test_hash(value: Any, path: list[str | None]) -> None:
    assert private(rule("hash", "dataset_rows.inputs", path), value) == expected(value, path, hashed)


@given(documents, paths, st.integers(1, 5))
@example({"aaaaaa": "\U0001f3af" * 3 + '\\"\n', "b": ["ééé"]}, [], 2)
def test_truncate(value: Any, path: list[str | None], length: int) -> None:
    found = private(rule("truncate", "dataset_rows.inputs", path, length), value)
    assert found == expected(value, path, lambda each: cut(each, length))


@given(documents, paths, st.sampled_from(["drop", "hash"]))
def test_what_is_hidden_is_nowhere(value: Any, path: list[str | None], action: str) -> None:
    hidden = changed(value, path, lambda _: {"name": BLOCKED, BLOCKED: [BLOCKED]})
    given = row("dataset_rows", inputs=json.dumps(hidden).encode())
    assert BLOCKED in str(given) or hidden == value
    assert BLOCKED not in str(after(rule(action, "dataset_rows.inputs", path), "dataset_rows", given))


def test_every_digit_and_space_beside_the_path_stays() -> None:
    value = b'{"n": 1.00000000000000000001, "gone": "x", "huge": 1e999, "deep": {"z": [1E5,  2]}, "text": "\\u00e9"}'
    given = row("dataset_rows", inputs=value)
    found = after("drop dataset_rows.inputs.gone", "dataset_rows", given)["inputs"]
    for part in (b"1.00000000000000000001", b"1e999", b'{"z": [1E5,  2]}', b'"\\u00e9"'):
        assert part in found
    assert after("drop dataset_rows.inputs.absent.x", "dataset_rows", given) == given


def test_keys_written_with_escapes_are_found() -> None:
    assert private("drop dataset_rows.inputs.email", b'{"em\\u0061il": "x", "b": 2}') == {"b": "#2"}
    assert private("drop dataset_rows.inputs.a.b", b'{"a": {"b": "x"}, "a": {"c": 3}}') == {"a": {"c": "#3"}}


@pytest.mark.parametrize("unreadable", [b'{"a": ', b'{"a": ' + b"[" * 5000 + b"]" * 5000 + b"}", b"[nonsense]"])
def test_json_that_cannot_be_read_is_dropped(unreadable: bytes) -> None:
    assert private("truncate dataset_rows.inputs.a 5", unreadable) is None


@pytest.mark.parametrize("action", ["hash", "truncate"])
def test_a_whole_column_of_any_depth(action: str) -> None:
    deep = b"[" * 5000 + b'"Ada Lovelace"' + b"]" * 5000
    rule_text = f"{action} dataset_rows.inputs" + (" 3" if action == "truncate" else "")
    found = after(rule_text, "dataset_rows", row("dataset_rows", inputs=deep))["inputs"]
    assert BLOCKED.encode() not in found
    assert found != deep


def test_equal_values_have_equal_hashes_in_text_and_json() -> None:
    trial = row("trials", output=b'"Ada Lovelace"', error=BLOCKED)
    found = after(["hash trials.output", "hash trials.error"], "trials", trial)
    assert (
        found["error"] == json.loads(found["output"]) == hmac.new(KEY.encode(), BLOCKED.encode(), "sha256").hexdigest()
    )
    assert private("hash dataset_rows.inputs", b'{"b":1,"a":"\\u00e9"}') == private(
        "hash dataset_rows.inputs", '{ "a": "é", "b": 1 }'.encode()
    )
    assert after("hash trials.error", "trials", trial, KEY + "!")["error"] != found["error"]


def test_text_columns() -> None:
    score = row("scores", value_text="Grüße an alle")
    assert after("truncate scores.value_text 3", "scores", score)["value_text"] == "Grü"
    assert after("drop scores.value_text", "scores", score)["value_text"] is None
    assert len(after("hash scores.value_text", "scores", score)["value_text"]) == 64


@pytest.mark.parametrize("what", ["drop {}", "hash {}", "truncate {} 3"])
def test_nulls_stay(what: str) -> None:
    rules = [what.format("scores.value_text"), what.format("scores.value_json")]
    assert after(rules, "scores", row("scores")) == row("scores")


def test_rules_apply_in_their_order() -> None:
    rules = ["truncate dataset_rows.inputs.a 2", "hash dataset_rows.inputs.a", "drop dataset_rows.inputs.b"]
    assert private(rules, {"a": "abc", "b": 1}) == {"a": hashed("ab")}


def test_tables_without_rules_cost_nothing() -> None:
    rows = Columns.of("result_rows", [row("result_rows")])
    assert Privacy(["drop trials.error"]).apply(rows) is rows
    assert Privacy([]).apply(rows) is rows


@pytest.mark.parametrize("table", [name for name, table in TABLES_BY_NAME.items() if table.replace == "run"])
def test_tombstones_stay(table: str) -> None:
    stone = tombstone(table, "run-1")
    assert after("preset no-content", table, stone) == stone


NO_CONTENT = {
    "evaluation_runs": {"error", "output", "summary", "attributes", "extra"},
    "dataset_rows": {"inputs"},
    "result_rows": {"extra"},
    "trials": {"output", "error", "extra"},
    "scores": {"value_text", "value_json"},
    "scorer_stats": {"extra"},
    "evaluations": {"description", "definition", "extra"},
    "models": {"description", "definition", "extra"},
    "datasets": {"description", "definition", "extra"},
    "scorers": {"description", "definition", "extra"},
    "feedback": {"payload", "extra"},
    "predictions": {"inputs", "output", "extra"},
    "reconciliations": set(),
    "syncs": set(),
    "gate_decisions": set(),
}
KEPT = {
    "evaluation_runs": {
        "entity", "project", "evaluation_ref", "evaluation_name", "evaluation_digest", "model_ref", "model_name",
        "model_digest", "display_name", "source_run_id", "trace_id", "parent_id", "user_id", "url",
        "results_load_id", "fingerprint",
    },
    "dataset_rows": {"input_ref"},
    "trials": {"predict_call_id"},
    "scores": {"scorer_call_id"},
    "scorer_stats": {"value_type"},
    "evaluations": {"name", "kind", "user_id", "dataset_ref", "scorer_refs"},
    "models": {"name", "kind", "user_id"},
    "datasets": {"name", "kind", "user_id"},
    "scorers": {"name", "kind", "user_id"},
    "feedback": {
        "feedback_type", "call_id", "run_id", "row_digest", "trial_id", "creator", "scorer_name", "weave_ref",
    },
    "predictions": {"model_ref", "user_id"},
    "reconciliations": {"differences"},
    "syncs": {
        "status", "command", "destination", "rows", "seconds", "warnings", "error", "connector_version", "dlt_version",
    },
    "gate_decisions": {
        "baseline_run_id", "reason", "rules", "rules_digest", "results", "notes", "read_from", "connector_version",
    },
}  # fmt: skip
"""Texts and JSON that the preset keeps on purpose."""


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_the_preset_decides_on_every_column_that_can_hold_words(table: Table) -> None:
    dropped = {rule.column for rule in parse_rules(["preset no-content"]) if rule.table == table.name}
    assert dropped == NO_CONTENT[table.name]
    words = {column.name for column in table.columns if column.type in ("text", "json") and column.nullable}
    assert words - dropped == KEPT.get(table.name, set())


@pytest.mark.parametrize("table", TABLES_BY_NAME)
def test_the_preset_drops_content_and_nothing_else(table: str) -> None:
    hidden = NO_CONTENT[table]
    names = TABLES_BY_NAME[table].varying
    given = {name: f"{BLOCKED} {name}" if name in hidden else f"kept {name}" for name in names}
    assert after("preset no-content", table, given) == given | dict.fromkeys(hidden)


def secret_rows() -> Iterator[Columns]:
    """The rows of a run that says the blocked words wherever Weave lets users, models and scorers write."""
    call = {
        "id": "run-1", "started_at": "2026-11-23T12:00:00Z", "exception": BLOCKED, "output": {"m": BLOCKED},
        "summary": {"s": BLOCKED}, "attributes": {"a": BLOCKED}, "news": BLOCKED, "inputs": {"self": "s", "model": "m"},
    }  # fmt: skip
    trial = {
        "predict_and_score_call_id": "trial-1",
        "model_output": {"answer": BLOCKED},
        "scores": {"judge": {"passed": True, "gap": 0.25, "why": BLOCKED, "parts": [BLOCKED]}},
        "news": BLOCKED,
    }
    results = {"evaluation_call_id": "run-1", "trials": [trial]}
    answer = {"row_digest": "digest-1", "raw_data_row": {"q": BLOCKED}, "evaluations": [results], "news": BLOCKED}
    calls = {"trial-1": TrialCall("trial-1", "run-1", NOW, NOW, f"KeyError: {BLOCKED}")}
    batch = RunFlattener("run-1", calls).flatten(parse_page(json.dumps({"rows": [answer], "total_rows": 1}).encode()))
    yield from batch.tables()
    reading = RunReading("failed", NOW, "https://wandb.ai/x", "load-1", None)
    run = flatten_run("acme/support", parse_run(json.dumps(call).encode()), reading)
    yield Columns.of("evaluation_runs", [run])


def test_the_preset_on_a_run_that_says_it_everywhere() -> None:
    privacy = Privacy(["preset no-content"])
    constants = {"project_id": "acme/support", "run_id": "run-1", "_dlt_load_id": "load-1"}
    seen = kept = ""
    for columns in secret_rows():
        seen += str(columns)
        kept += str(record_batch(privacy.apply(columns), constants).to_pylist())
    assert seen.count(BLOCKED) == 12
    assert BLOCKED not in kept
    for value in ("trial-1", "digest-1", "0.25", "'value_bool': True", "passed"):
        assert value in kept


def test_rules_as_read() -> None:
    assert parse_rules([" hash  trials.output.with space.*.a\\.b\\* ", "truncate trials.error 80"]) == [
        PrivacyRule("hash", "trials", "output", ("with space", None, "a.b*")),
        PrivacyRule("truncate", "trials", "error", (), 80),
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("erase trials.error", "not one of drop, hash, truncate and preset"),
        ("", "not one of drop"),
        ("drop", "no table ''"),
        ("drop trails.error", "no table 'trails'; there are evaluation_runs,"),
        ("drop trials", "no column ''"),
        ("drop trials.errors", "no column 'errors'; those that may be touched are"),
        ("drop trials.trial_id", "trials.trial_id keys, joins or tells rows apart, and may not be touched"),
        ("hash trials.predict_call_id", "may not be touched"),
        ("hash evaluation_runs.model_digest", "may not be touched"),
        ("drop evaluation_runs.fingerprint", "may not be touched"),
        ("drop scores.scorer_name", "may not be touched"),
        ("drop scores._dlt_load_id", "may not be touched"),
        ("drop evaluation_runs.status", "may not be touched"),
        ("drop trials.error.message", "not JSON, so no key leads into it"),
        ("hash trials.latency_seconds", "double, neither text nor JSON"),
        ("truncate trials.error", "needs a length"),
        ("truncate trials.error 0", "needs a length"),
        ("truncate trials.error many", "needs a length"),
        ("preset nothing", "no such preset; there is no-content"),
    ],
)
def test_rules_that_cannot_be_used(text: str, why: str) -> None:
    with pytest.raises(SettingsError) as raised:
        Privacy(["drop trials.error", text], KEY)
    message = str(raised.value)
    assert f"privacy rule {text!r}" in message
    assert why in message
    assert message.endswith(".")


@pytest.mark.parametrize("protected", ["run_id", "trial_id", "row_digest", "project_id"])
def test_what_keys_rows_is_protected_in_every_table(protected: str) -> None:
    for table in TABLES:
        if protected in {column.name for column in table.columns}:
            with pytest.raises(SettingsError, match="may not be touched"):
                Privacy([f"drop {table.name}.{protected}"])


def test_people_may_be_hashed() -> None:
    run = row("evaluation_runs", user_id="ada")
    assert after("hash evaluation_runs.user_id", "evaluation_runs", run) == run | {"user_id": hashed("ada")}


@pytest.mark.parametrize("key", [None, "", "short"])
def test_hash_refuses_to_work_without_a_key(key: str | None) -> None:
    with pytest.raises(SettingsError, match="secret key of at least 16 characters") as raised:
        Privacy(["hash trials.output"], key)
    assert "short" not in str(raised.value)
    Privacy(["drop trials.output"], key)


def test_the_key_is_not_shown() -> None:
    privacy = Privacy(["hash trials.output"], KEY)
    assert KEY not in repr(privacy)
    assert KEY not in repr(vars(privacy))
