"""`weave-eval export`: tables, views and answers as CSV, Parquet and Excel files, whole or not at all."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weave_eval.cli.program import main
from weave_eval.errors import SettingsError
from weave_eval.export import excel_file
from weave_eval.export.export_file import write_csv, write_spreadsheet_csv
from weave_eval.export.query_result import QueryResult
from weave_eval.export.select_statement import select_statement
from weave_eval.warehouse.registry import warehouse_of

Export = Callable[..., tuple[int, str]]
TEXTS = st.lists(st.one_of(st.none(), st.text(st.characters(codec="utf-8", exclude_characters="\x00"))), min_size=1)


@pytest.fixture
def export(
    demo_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Export:
    """Runs the command on the demo in an empty folder; gives its exit code and what it wrote to stderr."""
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(demo_file))
    monkeypatch.chdir(tmp_path)

    def command(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        return main(["export", *arguments]), capsys.readouterr().err

    return command


@pytest.fixture
def demo(demo_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A copy of the demo's file, for a process opens a file in one way only."""
    copy = shutil.copy(demo_file, tmp_path_factory.mktemp("copy"))
    with duckdb.connect(copy, read_only=True) as connection:
        yield connection


def csv_rows(path: str) -> list[list[str]]:
    with Path(path).open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_a_table_as_parquet_has_its_types(export: Export, demo: duckdb.DuckDBPyConnection) -> None:
    assert export("trials", "--out", "trials.parquet")[0] == 0
    table = pq.read_table("trials.parquet")
    kinds = {name: str(table.schema.field(name).type) for name in ("output", "latency_seconds", "total_tokens")}
    assert kinds == {"output": "string", "latency_seconds": "double", "total_tokens": "int64"}
    assert str(table.schema.field("started_at").type) == "timestamp[us, tz=UTC]"
    assert str(table.schema.field("is_error").type) == "bool"
    columns = "trial_id, CAST(output AS VARCHAR), latency_seconds, total_tokens, is_error, started_at"
    stored = demo.execute(f"SELECT {columns} FROM weave.trials ORDER BY trial_id").fetchall()
    written = duckdb.sql(f"SELECT {columns} FROM 'trials.parquet' ORDER BY trial_id").fetchall()
    assert written == stored
    assert len(stored) > 100


def test_a_view_as_csv_has_its_rows(export: Export, demo: duckdb.DuckDBPyConnection) -> None:
    assert export("dim_runs", "--out", "runs.csv")[0] == 0
    header, *rows = csv_rows("runs.csv")
    assert header == [row[0] for row in demo.execute("DESCRIBE weave.dim_runs").fetchall()]
    run_id, started_at = header.index("run_id"), header.index("started_at")
    stored = dict(demo.execute("SELECT run_id, started_at FROM weave.dim_runs").fetchall())
    assert {row[run_id]: datetime.fromisoformat(row[started_at].replace("Z", "+00:00")) for row in rows} == stored


def test_json_is_the_text_that_is_stored(export: Export) -> None:
    assert export("""SELECT '"x"'::JSON AS a, '{"n": 1.50}'::JSON AS b, 'null'::JSON AS c""", "--out", "x.csv")[0] == 0
    assert csv_rows("x.csv") == [["a", "b", "c"], ['"x"', '{"n": 1.50}', "null"]]


def test_csv_tells_null_from_empty_text(export: Export) -> None:
    assert (
        export("SELECT NULL AS a, '' AS b, 'ä\n\"' AS c, true AS d, [1, NULL] AS e, 1.50 AS f", "--out", "x.csv")[0]
        == 0
    )
    assert Path("x.csv").read_text(encoding="utf-8") == ('"a","b","c","d","e","f"\n,"","ä\n""",true,"[1,null]",1.50\n')


def test_csv_for_spreadsheets_holds_no_formula(export: Export) -> None:
    query = "SELECT '=1+1' AS a, '-2' AS b, -2 AS c, '@x' AS \"+d\", 'a=b' AS e, NULL::VARCHAR AS f"
    assert export(query, "--out", "x.csv", "--spreadsheet")[0] == 0
    text = Path("x.csv").read_bytes()
    assert text.startswith(b"\xef\xbb\xbf")
    assert list(csv.reader(io.StringIO(text.decode("utf-8-sig")))) == [
        ["a", "b", "c", "'+d", "e", "f"],
        ["'=1+1", "'-2", "-2", "'@x", "a=b", ""],
    ]


def answer(texts: list[str | None]) -> QueryResult:
    batch = pa.RecordBatch.from_pydict({"text": pa.array(texts, pa.string())})
    return QueryResult(batch.schema, iter([batch]))


@settings(deadline=None)
@given(TEXTS)
def test_any_text_comes_back_from_csv(tmp_path_factory: pytest.TempPathFactory, texts: list[str | None]) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    write_csv(answer(texts), path)
    with path.open(encoding="utf-8", newline="") as file:
        assert [row[0] if row else "" for row in csv.reader(file)] == ["text", *(text or "" for text in texts)]


@settings(deadline=None)
@given(TEXTS)
def test_no_text_is_a_formula(tmp_path_factory: pytest.TempPathFactory, texts: list[str | None]) -> None:
    path = tmp_path_factory.getbasetemp() / "safe.csv"
    write_spreadsheet_csv(answer(texts), path)
    with path.open(encoding="utf-8-sig", newline="") as file:
        cells = [row[0] if row else "" for row in csv.reader(file)][1:]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in cells)
    assert [cell.removeprefix("'") for cell in cells] == [(text or "").removeprefix("'") for text in texts]


def sheets(path: str) -> list[list[tuple[Any, ...]]]:
    book = openpyxl.load_workbook(path)
    return [[tuple(cell.value for cell in row) for row in sheet.iter_rows()] for sheet in book.worksheets]


def test_excel_has_numbers_times_and_text(export: Export) -> None:
    query = """
        SELECT '=1+1' AS formula, 'https://a.b' AS url, '007' AS digits, 1.5 AS number, 9007199254740993 AS large,
               true AS yes, TIMESTAMPTZ '2026-11-12 08:30:00.250+02' AS at, DATE '2026-11-12' AS day,
               DATE '0900-01-01' AS old, NULL AS nothing, '{"a": 1}'::JSON AS json, 'nan'::DOUBLE AS nan"""
    code, said = export(query, "--out", "x.xlsx")
    assert (code, "warning:" in said) == (0, False)
    sheet = openpyxl.load_workbook("x.xlsx").active
    assert sheet is not None
    header, row = sheet.iter_rows()
    assert [cell.value for cell in header][:3] == ["formula", "url", "digits"]
    at = datetime(2026, 11, 12, 6, 30, 0, 250000)  # noqa: DTZ001 - Excel knows no time zones
    assert [cell.value for cell in row] == [
        "=1+1", "https://a.b", "007", 1.5, "9007199254740993", True, at, datetime(2026, 11, 12), "0900-01-01",  # noqa: DTZ001
        None, '{"a": 1}', "nan",
    ]  # fmt: skip
    assert row[0].data_type == "s"
    assert sheet.freeze_panes == "A2"


def test_excel_cuts_long_cells_and_says_so(export: Export) -> None:
    code, said = export(
        "SELECT repeat('x', 40000) AS long, repeat('😀', 20000) AS wide, 'y' AS short", "--out", "x.xlsx"
    )
    assert code == 0
    ((_, (long, wide, short)),) = sheets("x.xlsx")
    assert (len(long), long[-2:], short) == (32_767, "x…", "y")
    assert len(wide.encode("utf-16-le")) <= 2 * 32_767
    assert "1 cells of long were longer" in said
    assert "1 cells of wide were longer" in said
    assert "short" not in said


def test_excel_goes_on_in_another_sheet(export: Export, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(excel_file, "_SHEET_ROWS", 4)
    code, said = export("SELECT range AS n FROM range(8)", "--out", "x.xlsx")
    assert code == 0
    assert sheets("x.xlsx") == [
        [("n",), (0,), (1,), (2,)],
        [("n",), (3,), (4,), (5,)],
        [("n",), (6,), (7,)],
    ]
    assert "the rest are on 2 more" in said


@pytest.mark.parametrize("ending", ["csv", "parquet", "xlsx"])
def test_no_rows_leave_a_header(export: Export, ending: str) -> None:
    assert export("SELECT run_id, row_count FROM dim_runs WHERE false", "--out", f"x.{ending}")[0] == 0
    if ending == "csv":
        assert csv_rows("x.csv") == [["run_id", "row_count"]]
    elif ending == "parquet":
        assert pq.read_table("x.parquet").to_pydict() == {"run_id": [], "row_count": []}
    else:
        assert sheets("x.xlsx") == [[("run_id", "row_count")]]


def test_queries_come_from_files_and_standard_input(export: Export, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("question.sql").write_text("-- how many?\nSELECT count(*) AS n FROM evaluation_runs;\n", encoding="utf-8")
    assert export("@question.sql", "--out", "file.csv")[0] == 0
    monkeypatch.setattr(sys, "stdin", io.StringIO("FROM evaluation_runs SELECT count(*) AS n"))
    assert export("-", "--out", "input.csv")[0] == 0
    assert csv_rows("file.csv") == csv_rows("input.csv") == [["n"], ["15"]]
    code, said = export("@lost.sql", "--out", "x.csv")
    assert (code, "lost.sql" in said) == (2, True)


QUALIFIED = [
    ("SELECT 'ä😀' AS x, scores.path FROM scores", "SELECT 'ä😀' AS x, scores.path FROM \"d\".scores"),
    (
        'WITH scores AS (SELECT * FROM scores), b AS (SELECT 1) FROM scores, b JOIN "Trials" t USING (i)',
        'WITH scores AS (SELECT * FROM "d".scores), b AS (SELECT 1) FROM scores, b JOIN "d"."Trials" t USING (i)',
    ),
    (
        "SELECT * FROM a WHERE EXISTS (SELECT 1 FROM dim_runs r) UNION ALL SELECT * FROM b.c",
        'SELECT * FROM "d".a WHERE EXISTS (SELECT 1 FROM "v".dim_runs r) UNION ALL SELECT * FROM b.c',
    ),
    (
        "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT * FROM n, range(2)",
        "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT * FROM n, range(2)",
    ),
]


@pytest.mark.parametrize(("sql", "expected"), QUALIFIED)
def test_bare_names_are_those_of_the_dataset(sql: str, expected: str) -> None:
    assert select_statement(sql, warehouse_of("duckdb"), lambda name: "v" if name == "dim_runs" else "d") == expected


def test_names_are_quoted_as_the_warehouse_wants() -> None:
    assert (
        select_statement("SELECT * FROM scores", warehouse_of("snowflake"), lambda _: "d") == 'SELECT * FROM "D".scores'
    )
    assert (
        select_statement("SELECT * FROM `scores`", warehouse_of("bigquery"), lambda _: "d")
        == "SELECT * FROM `d`.`scores`"
    )


@pytest.mark.parametrize(
    ("sql", "warehouse"),
    [
        ("DROP TABLE scores", "duckdb"),
        ("SELECT 1; DELETE FROM scores", "duckdb"),
        ("COPY (SELECT 1) TO 'x.csv'", "duckdb"),
        ("WITH gone AS (DELETE FROM scores RETURNING *) SELECT * FROM gone", "postgres"),
        ("SELECT * INTO copy FROM scores", "postgres"),
        ("SELECT * FROM scores FOR UPDATE", "postgres"),
        ("CREATE TABLE x AS SELECT 1", "bigquery"),
        ("MERGE INTO scores USING trials ON TRUE WHEN MATCHED THEN DELETE", "snowflake"),
        ("EXPLAIN SELECT 1", "duckdb"),
        ("CALL x()", "snowflake"),
        ("SELECT FROM WHERE", "postgres"),
        ("", "duckdb"),
        ("-- nothing", "duckdb"),
    ],
)
def test_only_one_select_is_taken(sql: str, warehouse: str) -> None:
    with pytest.raises(SettingsError, match=r"Only one SELECT|cannot be read as \w+ SQL"):
        select_statement(sql, warehouse_of(warehouse), lambda _: "d")


def test_refusals_leave_no_file(export: Export, tmp_path: Path) -> None:
    for query, out, sentence in (
        ("DROP TABLE scores", "x.csv", "Only one SELECT statement can be exported"),
        ("leaderboard", "x.csv", "There is no table or view 'leaderboard'. There are: evaluation_runs,"),
        ("scores", "x.txt", "use one of .csv, .parquet, .xlsx"),
        ("scores", "lost/x.csv", "lost/x.csv cannot be written"),
        ("SELECT 1 AS n, 2 AS n", "x.csv", "several columns called n"),
    ):
        code, said = export(query, "--out", out)
        assert (code, sentence in said) == (2, True), said
    code, said = export("SELECT lost FROM scores", "--out", "x.csv")
    assert (code, "lost" in said, "Traceback" in said) == (1, True, False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", ["csv", "parquet", "xlsx"])
def test_a_query_that_fails_late_leaves_the_file_as_it_was(export: Export, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"x.{ending}"
    path.write_text("before", encoding="utf-8")
    late = "SELECT CASE WHEN n < 200000 THEN n ELSE error('too late') END AS n FROM range(300000) AS t(n)"
    code, said = export(late, "--out", path.name)
    # Of two threads, DuckDB at times names the one that it interrupted because the other failed.
    assert (code, "too late" in said or "Interrupted!" in said) == (1, True), said
    assert path.read_text(encoding="utf-8") == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_the_file_of_the_warehouse_is_only_read(export: Export, demo_file: Path) -> None:
    before = demo_file.read_bytes()
    assert export("fct_leaderboard", "--out", "x.csv")[0] == 0
    assert demo_file.read_bytes() == before


def test_the_outcome_is_told_to_people_and_machines(export: Export, capsys: pytest.CaptureFixture[str]) -> None:
    assert export("SELECT 1 AS n", "--out", "x.csv") == (0, "file=x.csv rows=1 columns=1 warnings=0\n")
    assert export("SELECT 1 AS n", "--out", "x.csv", "--quiet") == (0, "")
    main(["export", "SELECT 1 AS n", "--out", "x.csv", "--json"])
    assert json.loads(capsys.readouterr().out) == {"file": "x.csv", "rows": 1, "columns": 1, "warnings": []}


def test_times_are_utc_in_any_zone(
    export: Export, demo: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    export("SELECT started_at FROM evaluation_runs", "--out", "x.parquet")
    written = pq.read_table("x.parquet")["started_at"].to_pylist()
    assert set(written) == {
        moment for (moment,) in demo.execute("SELECT started_at FROM weave.evaluation_runs").fetchall()
    }


@pytest.mark.slow
@pytest.mark.parametrize(("ending", "few", "many"), [("parquet", 70_000, 210_000), ("xlsx", 2_000, 27_000)])
@pytest.mark.usefixtures("export")
def test_memory_is_flat(ending: str, few: int, many: int) -> None:
    """More rows, of 2 kB each, take less than half of their size more."""
    peaks = []
    for rows in (few, many):
        query = f"SELECT range AS n, repeat(md5(range::VARCHAR), 64) AS text FROM range({rows})"
        measured = f"""
import resource
from weave_eval.cli import main
assert main(["export", {query!r}, "--out", "x.{ending}"]) == 0
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"""
        done = subprocess.run([sys.executable, "-c", measured], capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout))
    assert peaks[1] - peaks[0] < many - few  # kB
