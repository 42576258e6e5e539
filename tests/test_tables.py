from __future__ import annotations

import re

import pytest

from weave_eval.schema import dlt_schema
from weave_eval.tables import (
    OBJECT_TABLES,
    READ_WITH_RUN,
    RECORD_TABLES,
    REPLACED_BY_RUN,
    RESULT_TABLES,
    TABLES,
    TABLES_BY_NAME,
    Table,
    tables_from,
)

OBJECT = """
    ref object_id name digest version_index created_at description kind user_id deleted_at definition:json
"""

CONTRACT = {
    "evaluation_runs": """
        run_id entity project evaluation_ref evaluation_name evaluation_digest model_ref model_name model_digest
        display_name status has_failed_trials error started_at finished_at source_run_id trace_id parent_id user_id
        is_imperative row_count trial_count score_count total_tokens total_cost output:json summary:json attributes:json
        url
        deleted_at synced_at results_load_id
    """,
    "dataset_rows": "row_digest inputs:json input_ref is_resolved",
    "result_rows": "result_row_id run_id row_digest trial_count",
    "trials": """
        trial_id result_row_id run_id row_digest trial_index predict_call_id output:json latency_seconds total_tokens
        total_cost started_at finished_at is_error error
    """,
    "scores": """
        score_id trial_id run_id row_digest scorer_name path value_type value_bool value_number value_text
        value_json:json scorer_call_id
    """,
    "scorer_stats": """
        scorer_stat_id run_id scorer_name path value_type trial_count numeric_count numeric_mean pass_known_count
        pass_true_count pass_rate pass_signal_coverage
    """,
    "evaluations": OBJECT + "dataset_ref trials scorer_refs:json",
    "models": OBJECT,
    "datasets": OBJECT,
    "scorers": OBJECT,
    "feedback": """
        feedback_id feedback_type call_id run_id row_digest trial_id creator created_at scorer_name payload:json
        weave_ref
    """,
    "predictions": "prediction_id run_id model_ref inputs:json output:json user_id",
    "reconciliations": """
        run_id api_row_count row_count api_trial_count trial_count stats_checked stats_differing is_reconciled
        differences:json checked_at load_id
    """,
    "syncs": """
        sync_id started_at finished_at status command destination requests retries throttled bytes_received runs_listed
        runs_read runs_unchanged runs_open runs_deleted rows:json seconds:json warnings:json error connector_version
        dlt_version
    """,
    "gate_decisions": """
        decision_id run_id baseline_run_id decision reason decided_at rules:json rules_digest results:json notes:json
        read_from connector_version
    """,
}
"""Columns that dashboards and queries rely on: more may come, none may go or be renamed."""

KEYS = {
    "evaluation_runs": ("run_id",),
    "dataset_rows": ("project_id", "row_digest"),
    "result_rows": ("run_id", "row_digest"),
    "trials": ("trial_id",),
    "scores": ("trial_id", "scorer_name", "path"),
    "scorer_stats": ("run_id", "scorer_name", "path"),
    "evaluations": ("project_id", "ref"),
    "models": ("project_id", "ref"),
    "datasets": ("project_id", "ref"),
    "scorers": ("project_id", "ref"),
    "feedback": ("project_id", "feedback_id"),
    "predictions": ("prediction_id",),
    "reconciliations": ("run_id",),
    "syncs": ("sync_id",),
    "gate_decisions": ("decision_id",),
}

OF_ONE_RUN = {"result_rows", "trials", "scores", "scorer_stats"}
"""Tables whose batches hold rows of one run, so that `run_id` is the same in all of them."""

SCHEMA = dlt_schema()

each_table = pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)


@pytest.mark.parametrize("name", CONTRACT)
def test_columns_keep_their_promised_names(name: str) -> None:
    promised = dict(word.partition(":")[::2] for word in CONTRACT[name].split())
    table = TABLES_BY_NAME[name]
    assert list(promised) == [column.name for column in table.own_columns if column.name in promised]
    for column, type_name in promised.items():
        assert (table.column(column).type == "json") == (type_name == "json")


@pytest.mark.parametrize("name", CONTRACT)
def test_keys_are_those_promised(name: str) -> None:
    assert TABLES_BY_NAME[name].key == KEYS[name]


@each_table
def test_every_table_names_its_project_and_load(table: Table) -> None:
    assert not table.column("project_id").nullable
    assert not table.column("_dlt_load_id").nullable


@each_table
def test_keys_are_columns_without_nulls(table: Table) -> None:
    assert table.key
    for name in table.key:
        assert not table.column(name).nullable


@each_table
def test_a_table_says_what_a_row_is(table: Table) -> None:
    assert re.fullmatch(r"[A-Z].{20,}\.", table.description)


@each_table
def test_no_column_comes_twice(table: Table) -> None:
    names = [column.name for column in table.columns]
    assert len(set(names)) == len(names)


@each_table
def test_names_are_snake_case(table: Table) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", table.name)
    for column in table.columns:
        assert re.fullmatch(r"(_dlt_load_id|[a-z]+(_[a-z]+)*)", column.name), column.name


@each_table
def test_every_column_is_described_and_traced_to_the_api(table: Table) -> None:
    for column in table.columns:
        assert re.fullmatch(r"[A-Za-z0-9].{5,}\.", column.description), column.name
        assert column.origin, column.name


@each_table
def test_types_go_with_names(table: Table) -> None:
    for column in table.columns:
        assert (column.type == "timestamp") == column.name.endswith("_at"), column.name
        assert (column.type == "bool") == bool(re.match(r"is_|has_|value_bool$", column.name)), column.name
        if column.name.endswith(("_id", "_ref", "_digest", "_name", "_type")):
            assert column.type == "text", column.name
        if column.name.endswith(("_count", "_tokens", "_index")):
            assert column.type == "bigint", column.name
        if column.name.endswith(("_seconds", "_cost", "_rate", "_mean", "_coverage", "_number")):
            assert column.type == "double", column.name


@each_table
def test_batches_bring_every_column_that_is_not_constant(table: Table) -> None:
    columns = [column.name for column in table.columns]
    constant = {"project_id", "_dlt_load_id"} | ({"run_id"} if table.name in OF_ONE_RUN else set())
    assert list(table.varying) == [name for name in columns if name not in constant]


def test_there_are_these_tables_and_runs_come_first() -> None:
    assert TABLES_BY_NAME.keys() == CONTRACT.keys()
    assert TABLES[0].name == "evaluation_runs"


def test_tables_belong_to_families() -> None:
    assert set(READ_WITH_RUN) == OF_ONE_RUN
    assert set(REPLACED_BY_RUN) == {*OF_ONE_RUN, "evaluation_runs", "predictions", "reconciliations"}
    assert set(RESULT_TABLES) == {"dataset_rows", "result_rows", "trials", "scores"}
    assert set(OBJECT_TABLES) == {"evaluations", "models", "datasets", "scorers"}
    assert set(RECORD_TABLES) == {"reconciliations", "syncs", "gate_decisions"}
    assert set(tables_from("load", "stats")) == {"reconciliations", "syncs", "scorer_stats"}


@each_table
def test_tables_of_objects_name_their_class(table: Table) -> None:
    expected = table.name.capitalize().removesuffix("s") if table.name in OBJECT_TABLES else None
    assert table.weave_class == expected


def test_of_two_readings_of_an_input_the_resolved_one_stays() -> None:
    preferred = [(table.name, column.name) for table in TABLES for column in table.columns if column.is_preferred]
    assert preferred == [("dataset_rows", "is_resolved")]
    assert SCHEMA.tables["dataset_rows"]["columns"]["is_resolved"]["dedup_sort"] == "desc"


@each_table
def test_an_unknown_column_is_an_error(table: Table) -> None:
    with pytest.raises(KeyError):
        table.column("no_such_column")


@each_table
def test_tables_that_are_replaced_by_run_name_the_run(table: Table) -> None:
    assert table.replace in ("run", "key")
    assert (table.kept is None) == (table.replace == "key")
    if table.kept:
        assert not table.column("run_id").nullable
        assert table.column(table.kept).type == "text"


@each_table
def test_dlt_knows_every_column_as_declared(table: Table) -> None:
    for column in table.columns:
        declared = SCHEMA.tables[table.name]["columns"][column.name]
        assert declared["data_type"] == column.type, column.name
        assert declared["nullable"] == column.nullable, column.name
        assert declared["description"] == column.description, column.name
        assert bool(declared.get("primary_key")) == (column.name in table.key), column.name
