"""Values at the edges of what JSON, doubles and warehouses hold: large, deep, many, and odd numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import pytest

from tests.evidence import Record
from tests.hostile.conftest import Loaded, fresh, load_into
from tests.hostile.project import PROJECT, call, post, refs, trial
from tests.hostile.strings import stored
from tests.stand_ins.warehouse import Warehouse
from tests.weave_server.process import WeaveServer
from weave_eval.catalogue.looker.measures import measures
from weave_eval.catalogue.relations import relations
from weave_eval.warehouse.views.model import views

pytestmark = pytest.mark.slow

RUN = "00000000-0000-0000-0000-000000000003"
DEPTH, KEYS, SCORERS, LARGE = 400, 5_000, 10_000, 10_000_000
INTEGERS = (2**53 + 1, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64 - 1, 2**64, 10**29 + 7, -(10**40))
FLOATS = (1e308, -1e308, 1.7976931348623157e308, 5e-324, -0.0, 0.1 + 0.2, 123456789012345678901.234567891, 1e-400, 1.0)
NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
ODD_KEYS = {"": 1, ".": 2, "a.b": 3, "a": {"b": 4, "": {"": 5}}, "\\": 6, "$.x": 7, "a..b": 8, " ": 9, "[0]": 10}


def nested(depth: int, *, is_list: bool, bottom: str = "bottom") -> Any:
    made: Any = bottom
    for _ in range(depth):
        made = [made] if is_list else {"k": made}
    return made


def outputs() -> dict[str, Any]:
    """Outputs by the input that they answer."""
    return {
        "large": "0123456789" * (LARGE // 10),
        "deep list": nested(DEPTH, is_list=True),
        "deep object": nested(DEPTH, is_list=False),
        "deep and changed": nested(DEPTH, is_list=True, bottom="nul\x00"),
        "many keys": {f"key {number}": number for number in range(KEYS)},
        "odd keys": ODD_KEYS,
        "null": None,
        "empty": [{}, [], "", None, False, 0],
    }


@pytest.fixture(scope="module")
def values(
    module_warehouse: Warehouse, weave_server: WeaveServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Loaded]:
    """A run with all of them, in each warehouse."""
    fill(fresh(weave_server))
    yield from load_into(module_warehouse, weave_server, PROJECT, tmp_path_factory.mktemp("values"))


def fill(server: WeaveServer) -> None:
    calls = [call("Evaluation.evaluate", RUN, inputs=refs("values", "model"))]
    for name, output in outputs().items():
        calls += trial(RUN, name, output, {"odd": ODD_KEYS} if name == "odd keys" else {})
    numbers = [*INTEGERS, *FLOATS, *NOT_FINITE.values(), True, False]
    for place, number in enumerate(numbers):
        calls += trial(RUN, {"number": place}, {"number": number}, {"number": number})
    calls += trial(RUN, "scorers", None, {f"scorer {number}": number % 2 == 0 for number in range(SCORERS)})
    post(server, f"/v2/{PROJECT}/calls/complete", {"batch": calls}).raise_for_status()


def answers(values: Loaded) -> dict[str, Any]:
    """The outputs by their inputs, which stand as JSON."""
    inputs = {row["row_digest"]: json.dumps(row["inputs"]) for row in values.tables["dataset_rows"]}
    return {inputs[row["row_digest"]]: row["output"] for row in values.tables["trials"]}


def number_scores(values: Loaded) -> list[dict[str, Any]]:
    """The scores of the numbers, in their order."""
    inputs = {row["row_digest"]: row["inputs"] for row in values.tables["dataset_rows"]}
    scores = [row for row in values.tables["scores"] if row["scorer_name"] == "number"]
    return sorted(scores, key=lambda row: int(inputs[row["row_digest"]]["number"]))


def test_nothing_is_lost(values: Loaded) -> None:
    assert values.said.code == 0, values.said.err
    assert len(values.tables["trials"]) == len(outputs()) + len(INTEGERS) + len(FLOATS) + len(NOT_FINITE) + 3
    (proof,) = values.tables["reconciliations"]
    assert proof["is_reconciled"]
    assert all("not finite" in difference["excused"] for difference in proof["differences"])


def test_outputs_are_as_they_were(values: Loaded, record: Record) -> None:
    found = answers(values)
    for name, output in outputs().items():
        assert found[json.dumps(name)] == stored(output), name
        record("odd values found in a warehouse as they were", name, column=values.warehouse)


def test_every_scorer_of_many_is_there(values: Loaded, record: Record) -> None:
    found = {row["scorer_name"]: row["value_bool"] for row in values.tables["scores"]}
    many = {name: value for name, value in found.items() if name.startswith("scorer ")}
    assert many == {f"scorer {number}": number % 2 == 0 for number in range(SCORERS)}
    record("odd values found in a warehouse as they were", "scorers of a run", SCORERS, column=values.warehouse)


def test_odd_keys_are_paths(values: Loaded) -> None:
    paths = {row["path"]: row["value_number"] for row in values.tables["scores"] if row["scorer_name"] == "odd"}
    assert paths == {
        "": 1, "\\.": 2, "a\\.b": 3, "a.b": 4, "a..": 5, "\\\\": 6, "$\\.x": 7, "a\\.\\.b": 8, " ": 9, "[0]": 10,
    }  # fmt: skip


def test_numbers_keep_their_digits(values: Loaded, record: Record) -> None:
    scores = number_scores(values)
    for integer, row in zip(INTEGERS, scores, strict=False):
        assert row["value_number"] == float(integer)
        assert row["value_text"] == (None if float(integer) == integer else str(integer))
    rest = scores[len(INTEGERS) :]
    assert [row["value_number"] for row in rest[: len(FLOATS)]] == list(FLOATS)
    odd = rest[len(FLOATS) : len(FLOATS) + len(NOT_FINITE)]
    assert [(row["value_number"], row["value_text"]) for row in odd] == [(None, name) for name in NOT_FINITE]
    assert [row["value_bool"] for row in rest[-2:]] == [True, False]
    assert {row["value_type"] for row in rest[-2:]} == {"binary"}
    record("odd values found in a warehouse as they were", "numbers", len(scores), column=values.warehouse)


def test_numbers_in_json(values: Loaded) -> None:
    """As close as the warehouse's JSON comes: some hold doubles only."""
    found = answers(values)
    for place, number in enumerate([*INTEGERS, *FLOATS]):
        assert float(found[json.dumps({"number": place})]["number"]) == float(number)
    for place in range(len(NOT_FINITE)):
        assert found[json.dumps({"number": len(INTEGERS) + len(FLOATS) + place})] == {"number": None}


PAIRS_OF_SCORERS = "fct_scorer_agreement"


@pytest.mark.timeout(900)
def test_views_answer_and_compute_nothing_of_numbers_too_large(values: Loaded) -> None:
    rows = {view.name: values.landing.view_rows(view) for view in views() if view.name != PAIRS_OF_SCORERS}
    assert all(rows[name] for name in ("fct_run_scores", "fct_leaderboard", "fct_worst_rows", "fct_score_distribution"))
    computed = {row["metric"]: row["mean_value"] for row in rows["fct_run_scores"]}
    assert computed["number"] is None
    assert len([metric for metric, value in computed.items() if value is None]) == 1
    ranks = {row["metric"]: row["rank"] for row in rows["fct_leaderboard"]}
    assert ranks["number"] is None
    assert ranks["scorer 0"] == 1


def test_looker_averages_are_numbers(values: Loaded) -> None:
    """Of the scores as they were loaded: two of 1e308 have no sum that a double holds."""
    landing = values.landing
    for relation in (each for each in relations() if each.name in ("scores", "scorer_stats", "fct_scores")):
        table = landing.warehouse.table(landing.dataset, relation.name)
        made = measures(relation, landing.profile.warehouse)
        averages = [str(each["sql"]).replace("${TABLE}", "t") for each in made if each["type"] == "average"]
        assert averages
        (found,) = landing.warehouse.rows(f"SELECT {', '.join(f'AVG({sql})' for sql in averages)} FROM {table} AS t")
        assert all(value is None or math.isfinite(value) for value in found), relation.name
